"""JSON values to Avro's binary form: what other types are composed of. As binary.py: a Mismatch, or the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.encoding.avro.binary import Mismatch, Write, string, varint


def array(item: Write) -> Write:
    def write(value: Any) -> bytes:
        if value.__class__ is not list:
            raise Mismatch("an array")
        parts = [varint(len(value))] if value else []
        index = 0
        try:
            for index, element in enumerate(value):  # noqa: B007
                parts.append(item(element))
        except Mismatch as mismatch:
            mismatch.path.append(f"[{index}]")
            raise
        return b"".join(parts) + b"\x00"

    return write


def mapping(item: Write) -> Write:
    def write(value: Any) -> bytes:
        if value.__class__ is not dict:
            raise Mismatch("an object")
        parts = [varint(len(value))] if value else []
        try:
            for key, element in value.items():
                parts.append(string(key) + item(element))
        except Mismatch as mismatch:
            mismatch.path.append("[*]")  # a map's keys are data
            raise
        return b"".join(parts) + b"\x00"

    return write


def record(fields: list[tuple[str, Write]], defaults: Mapping[str, bytes]) -> Write:
    """`defaults` are already in binary form. Nothing is written twice, or a recursive value could take for ever."""
    count = len(fields)
    names = frozenset(name for name, _ in fields)

    def write(value: Any) -> bytes:
        if value.__class__ is not dict:
            raise Mismatch("an object")
        if len(value) != count:
            return incomplete(value)
        parts = []
        name = ""
        try:
            for name, field in fields:
                parts.append(field(value[name]))
        except KeyError:
            return incomplete(value)  # as many fields as there should be, so one of them is unknown
        except Mismatch as mismatch:
            mismatch.path.append(f".{name}")
            raise
        return b"".join(parts)

    def incomplete(value: dict[str, Any]) -> bytes:
        if unknown := value.keys() - names:
            raise Mismatch(f"no field {min(unknown)[:100]!r}")
        parts = []
        for name, field in fields:
            try:
                if name in value:
                    parts.append(field(value[name]))
                elif name in defaults:
                    parts.append(defaults[name])
                else:
                    raise Mismatch("a value, because the field has no default")
            except Mismatch as mismatch:
                mismatch.path.append(f".{name}")
                raise
        return b"".join(parts)

    return write


def nullable(present: Write, null_index: int) -> Write:
    absent, index = varint(null_index), varint(1 - null_index)

    def write(value: Any) -> bytes:
        return absent if value is None else index + present(value)

    return write


def branch(index: int, write: Write) -> Write:
    prefix = varint(index)
    return lambda value: prefix + write(value)


def union(by_type: Mapping[type, tuple[bytes, Write]], expected: str) -> Write:
    def write(value: Any) -> bytes:
        found = by_type.get(value.__class__)
        if found is None:
            raise Mismatch(expected)
        index, chosen = found
        return index + chosen(value)

    return write
