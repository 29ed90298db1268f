"""Text that may be shown: nothing in it can steer a terminal."""

from __future__ import annotations

import unicodedata


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
