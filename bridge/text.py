"""Text that may be shown: nothing in it can steer a terminal, forge a line, hide, or tell a secret."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import orjson

PACKAGE = Path(__file__).parent
SINGULAR = {"are": "is", "were": "was"}  # of verbs that do not just get an s


def printable(text: str) -> str:
    """Escape whatever is not to be seen: control, format, unassigned, odd white space; ends of lines too."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def counted(number: int, noun: str, verb: str = "") -> str:
    """So many of something, from the noun's singular and the verb's plural: 1 event waits, 2,000 events wait."""
    if number == 1:
        return f"1 {noun} {SINGULAR.get(verb, f'{verb}s')}" if verb else f"1 {noun}"
    return f"{number:,} {noun}s {verb}".rstrip()


def json_text(document: Any) -> str:
    """A document as compact JSON; bytes as hex, times, ids and decimals as text, NaN as null."""
    return orjson.dumps(document, default=_plain).decode()


def json_line(document: Any) -> str:
    """The same in ASCII, on one line, for whatever is to be printed unread."""
    return json.dumps(orjson.loads(json_text(document)))


def _plain(value: Any) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def place(error: BaseException) -> str:
    """An exception's type, and where it was raised: never its message, which may hold somebody's values."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [n for n, frame in enumerate(frames) if Path(frame.filename).is_relative_to(PACKAGE)]
    told = frames[-1:]
    if ours:
        called = frames[ours[-1] + 1 : ours[-1] + 2]  # a handler, say, which called a library that raised
        told += [frame for frame in called if Path(frame.filename).parent != Path(frames[-1].filename).parent]
        told.append(frames[ours[-1]])
    spots = dict.fromkeys(_spot(frame) for frame in told)
    return " in ".join([type(error).__name__, ", called by ".join(spots)] if spots else [type(error).__name__])


def _spot(frame: traceback.FrameSummary) -> str:
    file = Path(frame.filename)
    name = file.relative_to(PACKAGE.parent) if file.is_relative_to(PACKAGE) else Path(file.name)
    return f"{frame.name}, {name}:{frame.lineno}"
