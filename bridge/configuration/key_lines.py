"""In which line of a TOML file each key stands, which tomllib does not say.

The file is cut into statements (a header, or a key with its value), and each is parsed by tomllib alone, so that
nothing of TOML's grammar has to be known here: a statement ends where it can be parsed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]  # ("relay", "batch_rows"), ("routes", 0, "topic")

CLOSERS = ("]", "}", '"""', "'''")  # one of them begins or ends the last line of a value of several lines


def key_lines(text: str) -> dict[Path, int]:
    """The line of each table, array element and key of `text`, which is valid TOML; the first is 1."""
    lines: dict[Path, int] = {}
    elements: dict[Path, int] = {}  # of arrays of tables: how many so far
    table: Path = ()
    for number, statement, document in _statements(text):
        if statement.lstrip().startswith("["):
            table = _header(document, elements)
            lines.setdefault(table, number)
        else:
            for path in _paths(document):
                lines.setdefault(table + path, number)
    return lines


def line_of(path: Path, lines: dict[Path, int]) -> int | None:
    """The line of `path`, or of what it is in."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Each statement with the number of its first line, and as tomllib understands it."""
    pending: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        pending.append(line)
        if len(pending) > 1 and not any(closer in line for closer in CLOSERS):
            continue
        statement = "\n".join(pending)
        try:
            document = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield number - len(pending) + 1, statement, document
        pending = []


def _header(document: dict[str, Any], elements: dict[Path, int]) -> Path:
    """The path of `[a.b]` or `[[a.b]]`; within arrays of tables, of their last element."""
    path: Path = ()
    value: Any = document
    while value:
        (key,) = value
        path, value = (*path, key), value[key]
        if isinstance(value, list):
            elements[path] = elements.get(path, 0) + 1
            value = None
        if path in elements:
            path = (*path, elements[path] - 1)
    return path


def _paths(document: dict[str, Any]) -> Iterator[Path]:
    for key, value in document.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))
