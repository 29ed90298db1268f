"""Bytes that claim more than they hold are seen through before anything is built of them."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from avro_documents import documents, schemas
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.encoding.avro.binary import varint
from bridge.encoding.avro.claims import MAX_VALUES, is_bounded
from bridge.encoding.avro.schema import MAX_DEPTH, AvroSchema


def array(items: Any) -> Any:
    return {"type": "array", "items": items}


def record(name: str, *types: Any) -> Any:
    fields = [{"name": f"f{number}", "type": type_} for number, type_ in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


def wide(levels: int) -> Any:
    """2 to the power of `levels` values in no byte at all."""
    schema = record("R0")
    for number in range(1, levels):
        schema = record(f"R{number}", schema, f"R{number - 1}")
    return schema


HUGE = varint(1 << 40)
TREE = record("T", array("T"))
LIST = record("L", ["null", "L"])
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9}


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (array("null"), HUGE + b"\0"),
        (array("null"), varint(-(1 << 40)) + varint(1) + b"\0"),
        (array("null"), varint(MAX_VALUES) + b"\0"),
        (array(record("R", "null", "null")), varint(MAX_VALUES // 2) + b"\0"),
        (array({"type": "fixed", "name": "F", "size": 0}), HUGE + b"\0"),
        (array(array("null")), b"\x02" + HUGE + b"\0\0"),
        (array("int"), HUGE + b"\0"),
        ({"type": "map", "values": "null"}, HUGE + b"\0"),
        ("string", HUGE),
        ("string", varint(-1)),
        ("bytes", HUGE + b"x" * 100),
        ({"type": "fixed", "name": "F", "size": 1 << 40}, b"x"),
        (wide(40), b""),
        (TREE, b"\x02" * 1000 + b"\0" * 1000),
        (LIST, b"\x02" * 1000 + b"\0"),
        (LIST, b"\x01\x00"),
        (LIST, b"\x04\x00"),
        (DECIMAL, varint(1_000_000) + b"\x7f" * 1_000_000),
        ("long", b"\xff" * 1000),
        ("long", b""),
        ("long", b"\x02\x02"),
        ("double", b"1234567"),
    ],
)
def test_what_claims_too_much_or_is_no_value_is_refused(schema: Any, body: bytes) -> None:
    assert not is_bounded(fastavro.parse_schema(schema), body)


def test_as_deep_as_we_write_and_as_many_values_as_a_record_may_have_are_read() -> None:
    assert is_bounded(fastavro.parse_schema(LIST), b"\x02" * (MAX_DEPTH - 1) + b"\0")
    assert is_bounded(fastavro.parse_schema(array("null")), varint(MAX_VALUES - 1) + b"\0")
    assert is_bounded(fastavro.parse_schema(array("null")), b"\x03\x00\x02\x00")  # blocks with and without a size


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_value_that_we_write_is_read_and_none_with_a_byte_too_few_or_too_many(data: st.DataObject) -> None:
    schema, names = data.draw(schemas())
    body = AvroSchema("s", json.dumps(schema)).encode(data.draw(documents(schema, names, misses=False)))
    parsed = fastavro.parse_schema(schema)
    assert is_bounded(parsed, body)
    assert not is_bounded(parsed, body + b"\0")
    assert body == b"" or not is_bounded(parsed, body[:-1])


@settings(max_examples=200, deadline=None)
@given(schemas(), st.binary(max_size=60))
def test_of_any_bytes_fastavro_reads_as_many_as_were_followed(schema: Any, body: bytes) -> None:
    parsed = fastavro.parse_schema(schema[0])
    if not is_bounded(parsed, body):
        return
    stream = io.BytesIO(body)
    try:
        fastavro.schemaless_reader(stream, parsed, None)
    except (ValueError, OverflowError, IndexError, ArithmeticError):
        return  # times out of Python's range, uuids and symbols that are none
    assert stream.tell() == len(body)
