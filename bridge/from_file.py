"""Text that a file holds, which somebody may replace while a relay runs: a password, or a URL with one in it.

It is what the file held at the start, for whoever takes it as a `str`; who makes a connection asks for the `latest`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

from bridge.secret import remember

MAX_FILE_BYTES = 1_000_000

Part = Callable[[str], str]


class FileUnreadable(Exception):
    """Says which file cannot be read and why, never what is in it."""


class FromFile(str):
    """What is made of the text in a file, as it was when this was read."""

    file: str
    part: Part

    def __new__(cls, file: str) -> Self:
        """Raises FileUnreadable."""
        return cls._made(_content(file), file, str)

    @classmethod
    def _made(cls, text: str, file: str, part: Part) -> Self:
        made = super().__new__(cls, text)
        made.file, made.part = file, part
        return made

    def latest(self) -> str:
        """Made of what the file holds now. Raises FileUnreadable, and whatever its parts raise."""
        return self.part(_content(self.file))

    def derived(self, part: Part) -> Self:
        """What `part` makes of this, and of what the file holds later. Raises whatever `part` raises."""
        before = self.part
        return self._made(part(str(self)), self.file, lambda content: part(before(content)))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """A copy is a text like any other; `str` would have its text taken for a file's name."""
        return str, (str(self),)


def latest(text: str) -> str:
    """The text, read again where it is from a file. Raises FileUnreadable, and whatever its parts raise."""
    return text.latest() if isinstance(text, FromFile) else text


def derived(text: str, part: Part) -> str:
    """What `part` makes of a text, and will make of what its file holds later."""
    return text.derived(part) if isinstance(text, FromFile) else part(text)


def _content(file: str) -> str:
    """Without the newline at its end."""
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        text = content.decode()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise FileUnreadable(f"cannot be read from {file!r}: {why}") from None
    if len(content) > MAX_FILE_BYTES:
        raise FileUnreadable(f"cannot be read from {file!r}: it is larger than {MAX_FILE_BYTES} bytes")
    text = text.removesuffix("\n").removesuffix("\r")
    remember(text)  # which may be a new password
    return text
