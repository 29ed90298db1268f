"""What the record of a tracked table's change is made of, one after another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from bridge.encoding.avro.binary import Write

MOST_KNOWN: Final = 1000  # runs of values that are kept written


class Field(NamedTuple):
    """Of a record: the attribute that holds a value, its type, and what writes any of its values."""

    name: str
    schema: Any
    write: Write


class State(NamedTuple):
    """Of a change: the attribute that holds a state of the row, what is written for none, and what before one."""

    name: str
    absent: bytes
    begins: bytes


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


def together(fields: Sequence[Field | State], alike: Collection[str]) -> list[Field | State | Alike]:
    """With those that are called `alike`, and stand together, as one."""
    found: list[Field | State | Alike] = []
    for is_alike, group in groupby(fields, key=lambda field: field.name in alike):
        run = list(group)
        if is_alike:
            writes = [field.write for field in run if isinstance(field, Field)]
            found.append(Alike([field.name for field in run], Known(writes)))
        else:
            found += run
    return found
