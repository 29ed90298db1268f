"""What commands print. Much of it comes from outside, and all of it passes here: no text can steer the terminal, forge
a line, or be taken for markup. pyproject.toml forbids the other ways; the log has `log_format.py`.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from bridge.cli.envelope import Output
from bridge.secret import hidden
from bridge.text import json_line, printable


def echo(*lines: str, err: bool = False) -> None:
    """Print lines. An end of line inside of one is escaped, so that nobody can forge another."""
    for line in lines:
        click.echo(printable(line), err=err)


def echo_json(document: Any) -> None:
    """Print a command's one document, at its end, in an envelope that has the error, too, if one ends it."""
    context = click.get_current_context()
    context.ensure_object(Output).hold(context, document)


def echo_json_line(document: Any) -> None:
    """Print one document of many, now, in an envelope of its own: for what has no end, or should not be kept."""
    context = click.get_current_context()
    echo_envelope(context.ensure_object(Output).line(context, document))


def echo_envelope(envelope: dict[str, Any]) -> None:
    """Print an envelope on one line of ASCII."""
    click.echo(json_line(envelope))


def echo_document(*lines: str) -> None:
    """Print the lines of a document for programs: where it goes to none of them but a terminal, in the locale's bytes,
    else in UTF-8, as they take it.
    """
    document = "".join(f"{printable(line)}\n" for line in lines)
    click.echo(document if sys.stdout.isatty() else document.encode(), nl=False)


class PlainConsole(Console):
    """A console for tables and progress, without markup, emoji, and guesses at what to highlight."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """What rich makes of every plain string, those in a table's cells included."""
        return super().render_str(printable(text), **options)


def progress_console() -> PlainConsole:
    """What long commands say meanwhile; lines are not wrapped, so that they can be searched."""
    console = PlainConsole(stderr=True)
    console.soft_wrap = True
    return console


def keep_standard_streams() -> None:
    """Where the caller closed one (`2>&-`), the next socket would get its number, and what libraries log."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one


def escape_what_has_no_bytes() -> None:
    """A locale's encoding may lack a character: on standard output it is escaped, as Python does on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_tracebacks() -> None:
    """Let bugs, too, be told in printable lines: an exception's message may be anybody's text."""
    sys.excepthook = _tell
    threading.excepthook = lambda bug: _tell(bug.exc_type, bug.exc_value, bug.exc_traceback)


def _tell(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    told = hidden("".join(traceback.format_exception(kind, error, trace)))
    echo(*told.rstrip("\n").split("\n"), err=True)
