"""A record's usual values written in one straight piece of code, made for its fields as dataclasses make theirs.

Half of what a record of a dozen fields costs are the calls of a function for each (tests/bench/test_typed.py). What is
not usual raises something, and is written again field by field by whoever called, which decides whether it fits; so
nothing here has to be complete, only right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from textwrap import indent
from typing import Any, Final, NamedTuple

from bridge.encoding.avro.binary import Write
from bridge.encoding.templates import ANY, MOST_KNOWN, NAMES, Template, branch

ONE: Final = """
def write(one):
{before}
    return b"".join(({parts},))
"""
BOTH: Final = """
def write(one, other):
{before}
    return b"".join(({parts},)), b"".join(({others},))
"""


class Field(NamedTuple):
    """Of a record: the attribute that holds a value, its type, and what writes any of its values."""

    name: str
    schema: Any
    write: Write


class Alike(NamedTuple):
    """Fields one after another that have few values: the attributes, and the bytes of their values together."""

    names: Sequence[str]
    known: Known


class Known(dict[tuple[Any, ...], bytes]):
    """Of values that were written before, the bytes together."""

    def __init__(self, writes: Sequence[Write]) -> None:
        super().__init__()
        self._writes = writes

    def __missing__(self, values: tuple[Any, ...]) -> bytes:
        written = b"".join([write(value) for write, value in zip(self._writes, values, strict=True)])
        if len(self) >= MOST_KNOWN:
            self.clear()
        self[values] = written
        return written


def together(fields: Sequence[Field], alike: Collection[str]) -> list[Field | Alike]:
    """With those that are called `alike`, and stand together, as one."""
    found: list[Field | Alike] = []
    for is_alike, group in groupby(fields, key=lambda field: field.name in alike):
        run = list(group)
        found += [Alike([field.name for field in run], Known([field.write for field in run]))] if is_alike else run
    return found


def writer(fields: Sequence[Field | Alike]) -> Callable[[Any], bytes]:
    """Writes an object that has a value of each field. Raises anything but a wrong result."""
    made: Callable[[Any], bytes] = _made(fields, ONE)
    return made


def pair_writer(fields: Sequence[Field]) -> Callable[[Any, Any], tuple[bytes, bytes]]:
    """Writes two objects of which most is the same."""
    made: Callable[[Any, Any], tuple[bytes, bytes]] = _made(fields, BOTH)
    return made


def _made(fields: Sequence[Field | Alike], frame: str) -> Any:
    names, lines = dict(NAMES), []
    for number, field in enumerate(fields):
        if isinstance(field, Alike):
            names[f"known{number}"] = field.known
            lines.append(f"p{number} = known{number}[{', '.join(f'one.{name}' for name in field.names)},]")
            continue
        names[f"write{number}"] = field.write
        lines.append(f"v = one.{field.name}\n" + _lines(field, number, f"p{number}"))
        if frame is BOTH:
            again = _lines(field, number, f"q{number}")
            same = f"if u == v:\n    q{number} = p{number}\nelse:\n    v = u\n" + indent(again, "    ")
            is_comparable = branch(field.schema)[0] is not None
            lines.append(f"u = other.{field.name}\n" + (same if is_comparable else f"v = u\n{again}"))
    source = frame.format(
        before=indent("\n".join(lines), "    "),
        parts=", ".join(f"p{number}" for number in range(len(fields))),
        others=", ".join(f"q{number}" for number in range(len(fields))),
    )
    exec(source, names)  # noqa: S102  # of templates, numbers, and names that were made here
    return names["write"]


def _lines(field: Field, number: int, part: str) -> str:
    found, is_nullable = branch(field.schema)
    if found is None:
        found, is_nullable = Template(Any, ANY, {}), False
    text = found.lines.strip("\n").format(
        part=part,
        head="PRESENT + " if is_nullable else "",
        lengths="PRESENT_LENGTHS" if is_nullable else "LENGTHS",
        lows="PRESENT_LOWS" if is_nullable else "LOWS",
        null="NULL" if is_nullable else "unusual()",
        write=f"write{number}",
        **found.values,
    )
    return f"if v is None:\n    {part} = NULL\nelse:\n{indent(text, '    ')}" if is_nullable else text
