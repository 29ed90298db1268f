"""Confluent's wire format: a zero byte, the schema's id in four, and the Avro body."""

from __future__ import annotations

from typing import Final

MAGIC: Final = b"\x00"
PREFIX_BYTES: Final = 5


def prefix(schema_id: int) -> bytes:
    """What stands before a body."""
    return MAGIC + schema_id.to_bytes(4, "big")


def split(value: bytes) -> tuple[int, bytes] | None:
    """The schema's id and the body; None for what is not in this format."""
    if len(value) < PREFIX_BYTES or not value.startswith(MAGIC):
        return None
    return int.from_bytes(value[1:PREFIX_BYTES], "big"), value[PREFIX_BYTES:]
