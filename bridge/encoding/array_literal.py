"""Postgres' text of an array: `{a,"b c",NULL}`; so states hold arrays of types that are not built in."""

from __future__ import annotations

import re
from typing import Any, Final

TOKEN: Final = re.compile(r'[{},]|"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<bare>[^{},"\\]+)', re.DOTALL)
BOUNDS: Final = re.compile(r"(?:\[-?[0-9]+:-?[0-9]+\])+=")  # before an array that does not count from 1
ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def read_array_literal(text: str) -> list[Any]:
    """The elements, as text or None, in a list for each dimension. Raises ValueError for what is no such text."""
    bounds = BOUNDS.match(text)
    at = bounds.end() if bounds else 0
    outermost: list[Any] = []
    open_lists = [outermost]
    takes_element = True  # at the beginning, and behind a comma
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise ValueError("no array")
        at = token.end()
        match token[0]:
            case "{" if takes_element:
                open_lists[-1].append([])
                open_lists.append(open_lists[-1][-1])
            case "}" if len(open_lists) > 1 and (not takes_element or not open_lists[-1]):
                open_lists.pop()
                takes_element = False
            case "," if not takes_element and len(open_lists) > 1:
                takes_element = True
            case _ if takes_element and len(open_lists) > 1 and token[0] not in "{},":
                open_lists[-1].append(_element(token))
                takes_element = False
            case _:
                raise ValueError("no array")
    if len(open_lists) > 1 or len(outermost) != 1:
        raise ValueError("no array")
    elements: list[Any] = outermost[0]
    return elements


def _element(token: re.Match[str]) -> str | None:
    quoted = token["quoted"]
    if quoted is not None:
        return ESCAPED.sub(r"\1", quoted)
    return None if token["bare"] == "NULL" else token["bare"]
