"""How far a long command is, on standard error: a bar with the time that is left on a terminal, lines elsewhere; and
what to do where it is interrupted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from bridge.cli.ending import Interrupted
from bridge.cli.terminal import PlainConsole, echo
from bridge.progress import Progress
from bridge.text import printable

SECONDS = 10.0  # between two lines, and before the first


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Gives what is to be told. What comes next has a bar of its own. All bars are gone at the end."""
    console = PlainConsole(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield _Lines()
        return
    what = TextColumn("{task.description}", markup=False)
    columns = what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bars(*columns, console=console, transient=True, redirect_stdout=False) as bars:
        tasks = {}

        def tell(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(printable(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell


@contextmanager
def hint_if_interrupted(hint: str) -> Iterator[None]:
    """Around what can be gone on with: says how."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint=hint) from None


class _Lines:
    """A line now and then, for a log."""

    def __init__(self) -> None:
        self._next = time.monotonic() + SECONDS

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if time.monotonic() >= self._next:
            echo(f"{what}: {done:,}" if total is None else f"{what}: {done:,} of {total:,}", err=True)
            self._next = time.monotonic() + SECONDS
