"""An answer as JSON that is not too long for whoever asked, whatever there is."""

from __future__ import annotations

from typing import Any, Final

import orjson

from bridge.errors import BridgeError
from bridge.text import json_line

MOST_CHARACTERS: Final = 60_000  # of an answer
MOST_TEXT: Final = 1000  # of a text in it
LENGTHS: Final = (1000, 200, 50, 10)  # of lists in it; the first with which it is short enough


def bounded(answer: Any) -> str:
    """An answer as JSON of at most MOST_CHARACTERS: long texts are cut, and of long lists the rest is counted.

    Raises BridgeError where that is not enough.
    """
    for length in LENGTHS:
        text = json_line(_cut(orjson.loads(json_line(answer)), length))
        if len(text) <= MOST_CHARACTERS:
            return text
    raise BridgeError("the answer is too long", hint="Ask for less")


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MOST_TEXT else f"{value[:MOST_TEXT]}... ({len(value)} characters)"
    if isinstance(value, list):
        rest = [{"left_out": len(value) - length}] if len(value) > length else []
        return [_cut(one, length) for one in value[:length]] + rest
    if isinstance(value, dict):
        return {name: _cut(one, length) for name, one in value.items()}
    return value
