"""Text that may be shown: nothing in it can steer a terminal, or tell a secret."""

from __future__ import annotations

import traceback
import unicodedata
from pathlib import Path

PACKAGE = Path(__file__).parent


def printable(text: str) -> str:
    """Escape whatever could steer a terminal or hide text: control, format, unassigned and odd white space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char)[0] in "CZ" and char != " " else char for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def place(error: BaseException) -> str:
    """An exception's type, and where it was raised: never its message, which may hold somebody's values."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    spots = dict.fromkeys(_spot(frame) for frame in (*frames[-1:], *ours[-1:]))
    return " in ".join([type(error).__name__, ", called by ".join(spots)] if spots else [type(error).__name__])


def _spot(frame: traceback.FrameSummary) -> str:
    file = Path(frame.filename)
    name = file.relative_to(PACKAGE.parent) if file.is_relative_to(PACKAGE) else Path(file.name)
    return f"{frame.name}, {name}:{frame.lineno}"
