"""A record's usual values written in one straight piece of code, made for its fields as dataclasses make theirs.

Half of what a record of a dozen fields costs are the calls of a function for each (tests/bench/test_typed.py). What is
not usual raises something, and is written again field by field by whoever called, which decides whether it fits; so
nothing here has to be complete, only right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from textwrap import indent
from typing import Any, Final, NamedTuple

from bridge.encoding.avro.binary import Write
from bridge.encoding.templates import ANY, MOST_KNOWN, NAMES, PRESENT, Template, branch

ONE: Final = """
def write(one):
{before}
    return b"".join(({parts}))
"""
BOTH: Final = """
def write(one, other):
{before}
    return b"".join(({parts})), b"".join(({others}))
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
    parts: list[str] = []
    for number, field in enumerate(fields):
        if isinstance(field, Alike):
            names[f"known{number}"] = field.known
            lines.append(f"p{number} = known{number}[{', '.join(f'one.{name}' for name in field.names)},]")
            parts.append(f"p{number}")
            continue
        names[f"write{number}"] = field.write
        text = _lines(field, number)
        own = [part for part in (f"p{number}", f"p{number}_1", f"p{number}_2") if f"{part} = " in text]
        parts += own
        lines.append(f"v = one.{field.name}\n{text}")
        if frame is BOTH:
            again = re.sub(rf"\bp{number}\b|\bp{number}_", lambda found: f"q{found[0][1:]}", text)
            same = "\n".join(f"q{part[1:]} = {part}" for part in own)
            if branch(field.schema)[0] is not None:  # else equal values may be of different types
                again = f"if u == v:\n{indent(same, '    ')}\nelse:\n    v = u\n{indent(again, '    ')}"
            else:
                again = f"v = u\n{again}"
            lines.append(f"u = other.{field.name}\n{again}")
    source = frame.format(
        before=indent("\n".join(lines), "    "),
        parts="".join(f"{part}, " for part in parts),
        others="".join(f"q{part[1:]}, " for part in parts),
    )
    exec(source, names)  # noqa: S102  # of templates, numbers, and names that were made here
    return names["write"]


def _lines(field: Field, number: int) -> str:
    """What makes a field's bytes of `v`: of one part, or of several that follow one another."""
    found, is_nullable = branch(field.schema)
    if found is None:
        found, is_nullable = Template(Any, ANY, {}), False
    part, begins = f"p{number}", PRESENT if is_nullable else b""
    text = found.lines.strip("\n").format(
        part=part,
        head="PRESENT + " if is_nullable else "",
        lengths="PRESENT_LENGTHS" if is_nullable else "LENGTHS",
        lows="PRESENT_LOWS" if is_nullable else "LOWS",
        begins=begins,
        yes=begins + b"\x01",
        no=begins + b"\x00",
        uuid=begins + b"\x48",
        null="NULL" if is_nullable else "unusual()",
        write=f"write{number}",
        **found.values,
    )
    if not is_nullable:
        return text
    more = [f"\n    {name} = b''" for name in (f"{part}_1", f"{part}_2") if f"{name} = " in text]
    return f"if v is None:\n    {part} = NULL{''.join(more)}\nelse:\n{indent(text, '    ')}"
