"""What programs are told under `--json`: one document in an envelope with a version, and in it the error that ended the
command. docs/command-line.md promises what it is.
"""

from __future__ import annotations

from typing import Any, Final

import click

from bridge.errors import BridgeError

VERSION: Final = 1  # another one if anything is removed or renamed, or means something else


class Output:
    """What one command has to say; the click context of the whole command line has it as its `obj`."""

    def __init__(self) -> None:
        self._asked: str | None = None
        self._held: dict[str, Any] = {}
        self._has_lines = False

    def ask(self, context: click.Context, *, has_lines: bool = False) -> None:
        """From now on all that is printed is for programs: one document, or any number of lines."""
        self._asked, self._has_lines = command_of(context), has_lines

    def hold(self, context: click.Context, document: Any) -> None:
        """The document of the command: printed at its end, together with the error that it may meet yet."""
        self._asked = command_of(context)
        assert not self._held, "a command has one document"  # noqa: S101 - lines are for more
        self._held = {"data": document}

    def line(self, context: click.Context, document: Any) -> dict[str, Any]:
        """The envelope of one of many documents, to be printed at once."""
        self.ask(context, has_lines=True)
        return self._envelope(data=document)

    def end(self, error: BridgeError | None) -> dict[str, Any] | None:
        """The envelope to print at the end; None where nothing is for programs, or lines have said everything."""
        if self._asked is None or (self._has_lines and error is None and not self._held):
            return None
        if error is None:
            return self._envelope(**({"data": None} | self._held))
        return self._envelope(**self._held, error=told(error))

    def _envelope(self, **parts: Any) -> dict[str, Any]:
        return {"version": VERSION, "command": self._asked, **parts}


def told(error: BridgeError) -> dict[str, Any]:
    """An error for programs."""
    return {"code": error.code(), "exit_code": error.exit_code, "message": error.message, "hint": error.hint}


def command_of(context: click.Context) -> str:
    """The command's name, such as `dead list`; empty for `bridge` itself."""
    return context.command_path.removeprefix(context.find_root().command_path).strip()
