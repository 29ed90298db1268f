"""How far a long command is: a bar with the time that is left, on standard error, and only on a terminal; and what to
do where it is interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli.terminal import PlainConsole
from bridge.errors import BridgeError


class Interrupted(BridgeError):
    """Ctrl-C, where more is to be said than that."""

    exit_code = 130


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """Gives what is to be told: what is being done, how much of it is, and of how much (None: not known).

    What comes next has a bar of its own. All bars are gone at the end.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = PlainConsole(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bars:
        tasks = {}

        def tell(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell


@contextmanager
def hint_if_interrupted(hint: str) -> Iterator[None]:
    """Around what can be gone on with: says how."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint=hint) from None
