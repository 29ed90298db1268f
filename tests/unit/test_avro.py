"""JSON to Avro: byte for byte what fastavro writes, and nothing that does not fit."""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest

from bridge.encoding.avro.binary import varint
from bridge.encoding.avro.library import load_schema
from bridge.encoding.avro.schema import AvroSchema, depth
from bridge.errors import ConfigError, EncodingError

UUID_TEXT = "0190a1b2-1111-7222-8333-444455556666"


def of(type_: Any, **more: Any) -> dict[str, Any]:
    """A record schema with one field `f`."""
    return {"type": "record", "name": "test.R", "fields": [{"name": "f", "type": type_} | more]}


def logical(type_: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "logicalType": name} | more


def decode(schema: Any, body: bytes) -> Any:
    stream = io.BytesIO(body)
    value = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    assert stream.read() == b""
    return value


def through(type_: Any, payload: str) -> Any:
    """What a reader gets for the field `f` of a JSON payload."""
    schema = of(type_)
    return decode(schema, AvroSchema("s", json.dumps(schema)).encode(f'{{"f": {payload}}}'))["f"]


def refusal(schema: Any, payload: str) -> str:
    with pytest.raises(EncodingError) as caught:
        AvroSchema("s", json.dumps(schema)).encode(payload)
    return str(caught.value)


@pytest.mark.parametrize(
    "number", [0, -1, 1, 63, 64, -64, -65, 8191, 8192, 2**20, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63)]
)
def test_varint_is_fastavros(number: int) -> None:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, "long", number)
    assert varint(number) == written.getvalue()


@pytest.mark.parametrize(
    ("type_", "payload", "expected"),
    [
        ("null", "null", None),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("int", "-2147483648", -(2**31)),
        ("int", "2147483647", 2**31 - 1),
        ("long", "-9223372036854775808", -(2**63)),
        ("long", "9223372036854775807", 2**63 - 1),
        ("double", "1.5", 1.5),
        ("double", "3", 3.0),
        ("double", "1e23", 1e23),
        ("double", "0.1", 0.1),
        ("double", "1e-400", 0.0),
        ("double", "1.7976931348623157e308", 1.7976931348623157e308),
        ("double", "9007199254740992", 2.0**53),
        ("double", "100000000000000000000000", 1e23),  # so Postgres prints a double precision of 1e23
        ("double", "17976931348623157" + "0" * 292, 1.7976931348623157e308),
        ("double", "18446744073709551616", 2.0**64),
        ("float", "0.5", 0.5),
        ("float", "0.1", 0.10000000149011612),
        ("float", "3.4028235e38", 3.4028234663852886e38),
        ("float", "12345678000", 12345677824.0),  # so Postgres prints a real of 1.2345678e10
        ("string", '"Zo\\u00eb \\ud83d\\ude00 \\u0000"', "Zoë 😀 \0"),
        ("string", '""', ""),
        ("bytes", '"\\\\x00ff"', b"\x00\xff"),
        ("bytes", '"\\\\x"', b""),
        ({"type": "fixed", "name": "F", "size": 2}, '"\\\\x00FF"', b"\x00\xff"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, '"B"', "B"),
        ({"type": "array", "items": "int"}, "[]", []),
        ({"type": "array", "items": "int"}, "[1, 2, 300]", [1, 2, 300]),
        ({"type": "map", "values": "long"}, '{"a": 1, "é": 2}', {"a": 1, "é": 2}),
        (["null", "string"], "null", None),
        (["null", "string"], '"x"', "x"),
        (["string", "null"], "null", None),
        (["null", "int", "string", "boolean"], "7", 7),
        (["null", "int", "string", "boolean"], '"7"', "7"),
        (["null", "int", "string", "boolean"], "true", True),
        (["null", "string", "double"], "7", 7.0),
        (["long", "double"], "7", 7),
        (["long", "double"], "7.5", 7.5),
        (["null", {"type": "array", "items": ["null", "int"]}], "[1, null]", [1, None]),
        (logical("string", "uuid"), f'"{UUID_TEXT}"', UUID(UUID_TEXT)),
        (logical("string", "uuid"), f'"{UUID_TEXT.upper()}"', UUID(UUID_TEXT)),
        (logical("string", "no-such"), '"x"', "x"),
        (logical("long", "no-such"), "5", 5),
    ],
)
def test_a_reader_gets_what_was_written(type_: Any, payload: str, expected: Any) -> None:
    assert through(type_, payload) == expected


@pytest.mark.parametrize(
    ("type_", "payload", "micros"),
    [
        ("timestamp-micros", "2026-11-22T10:11:12.123456+00:00", 1_795_342_272_123_456),
        ("timestamp-micros", "2026-11-22T10:11:12.123456Z", 1_795_342_272_123_456),
        ("timestamp-micros", "2026-11-22 15:41:12.123456+05:30", 1_795_342_272_123_456),
        ("timestamp-micros", "2026-11-22T10:11:12.1+00:00", 1_795_342_272_100_000),
        ("timestamp-micros", "2026-11-22T10:11:12+00", 1_795_342_272_000_000),
        ("timestamp-micros", "1969-12-31T23:59:59.999999+00:00", -1),
        ("timestamp-micros", "0001-01-01T00:00:00+00:00", -62_135_596_800_000_000),
        ("timestamp-micros", "9999-12-31T23:59:59.999999+00:00", 253_402_300_799_999_999),
        ("timestamp-micros", "2026-11-22T10:11:12.123+00:19:32", 1_795_341_100_123_000),
        ("timestamp-micros", "2026-11-22T10:11:12.123Z", 1_795_342_272_123_000),
        ("timestamp-micros", "2026-11-22T10:11Z", 1_795_342_260_000_000),
        ("timestamp-micros", "2026-11-22T10:11:12,5+0000", 1_795_342_272_500_000),
        ("timestamp-millis", "2026-11-22T10:11:12.123+00:00", 1_795_342_272_123),
        ("timestamp-millis", "2026-11-22T10:11:12.123000+00:00", 1_795_342_272_123),
        ("timestamp-millis", "1969-12-31T23:59:59.999Z", -1),
        ("local-timestamp-millis", "1969-12-31T23:59:59.999", -1),
        ("local-timestamp-micros", "2026-11-22T10:11:12.123456", 1_795_342_272_123_456),
        ("time-micros", "10:11:12.123456", 36_672_123_456),
        ("time-micros", "00:00:00", 0),
    ],
)
def test_times_are_exact_to_the_microsecond(type_: str, payload: str, micros: int) -> None:
    encoded = AvroSchema("s", json.dumps(of(logical("long", type_)))).encode(json.dumps({"f": payload}))
    assert decode(of("long"), encoded) == {"f": micros}


@pytest.mark.parametrize("also", ["int", logical("bytes", "decimal", precision=4)])
def test_a_float_is_the_nearest_to_what_is_written_and_not_to_a_double_of_it(also: Any) -> None:
    """7.038531e-26 is below the middle of two floats, and its double is that middle."""
    chance, wanted = random.Random(1), {"7.038531e-26": 0x15AE43FD, "-7.038531e-26": 0x95AE43FD}
    for lower in (0, 1, 0x7FFFFF, *(chance.randrange(0x4B000000) for _ in range(200))):  # below 2 ** 23
        ends = [struct.unpack("<f", struct.pack("<I", bits))[0] for bits in (lower, lower + 1)]
        middle = f"{Decimal(sum(ends) / 2):f}"  # ends in a 5
        wanted |= {middle: lower + lower % 2, f"{middle}{'0' * 30}1": lower + 1, f"{middle[:-1]}4{'9' * 30}": lower}
    schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": "float"}, {"name": "g", "type": also}]}
    encode = AvroSchema("s", json.dumps(schema)).encode
    found = {text: struct.unpack("<I", encode(f'{{"f": {text}, "g": 0}}')[:4])[0] for text in wanted}
    assert found == wanted


@pytest.mark.parametrize(
    ("payload", "days"), [("1970-01-01", 0), ("1969-12-31", -1), ("2026-11-22", 20_779), ("0001-01-01", -719_162)]
)
def test_dates(payload: str, days: int) -> None:
    encoded = AvroSchema("s", json.dumps(of(logical("int", "date")))).encode(json.dumps({"f": payload}))
    assert decode(of("int"), encoded) == {"f": days}


@pytest.mark.parametrize(
    "payload", ["12.30", "-0.05", "12345678901234567.89", "0", "7", '"12.30"', '"-1e2"', "1E+3", "-0.00"]
)
@pytest.mark.parametrize("size", [None, 12])
def test_decimals_are_exact_also_as_numbers(payload: str, size: int | None) -> None:
    kind = {"type": "bytes"} if size is None else {"type": "fixed", "name": "D", "size": size}
    schema = kind | {"logicalType": "decimal", "precision": 20, "scale": 2}
    assert through(schema, payload) == Decimal(payload.strip('"'))


@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        ("null", "0"),
        ("boolean", "1"),
        ("boolean", '"true"'),
        ("int", "2147483648"),
        ("int", "-2147483649"),
        ("int", "1.0"),
        ("int", "true"),
        ("int", '"1"'),
        ("int", "null"),
        ("long", "9223372036854775808"),
        ("long", "18446744073709551616"),
        ("long", "1e3"),
        ("double", "true"),
        ("double", '"NaN"'),
        ("double", "null"),
        ("double", "9007199254740993"),
        ("double", "-9007199254740993"),
        ("double", "18446744073709551617"),
        ("double", "-9223372036854775809"),
        ("double", "1" + "0" * 309),
        (["null", "long", "double"], "18446744073709551617"),
        ("float", "1e39"),
        ("float", "3.4028235677973366e38"),
        ("float", "16777217"),
        ("string", "1"),
        ("string", "null"),
        ("string", "{}"),
        ("bytes", '"00ff"'),
        ("bytes", '"\\\\x0"'),
        ("bytes", '"\\\\x 0 0"'),
        ("bytes", '"\\\\xzz"'),
        ("bytes", "[0]"),
        ({"type": "fixed", "name": "F", "size": 2}, '"\\\\x00"'),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, '"a"'),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "[]"),
        ({"type": "array", "items": "int"}, "{}"),
        ({"type": "map", "values": "int"}, "[]"),
        (["null", "string"], "1"),
        (["null", "int", "string"], "1.5"),
        (["null", "int", "string"], "[]"),
        ({"type": "record", "name": "Inner", "fields": []}, "[]"),
        ({"type": "record", "name": "Inner", "fields": []}, "null"),
        (logical("string", "uuid"), f'"{UUID_TEXT[:-1]}"'),
        (logical("string", "uuid"), f'"{{{UUID_TEXT}}}"'),
        (logical("string", "uuid"), f'"{UUID_TEXT}\\n"'),
        (logical("string", "uuid"), "7"),
        (logical("long", "timestamp-micros"), '"2026-11-22T10:11:12"'),
        (logical("long", "timestamp-micros"), '"2026-11-22T10:11:12.1234567Z"'),
        (logical("long", "timestamp-micros"), '"2026-11-22T101112.1234567Z"'),
        (logical("long", "timestamp-micros"), '"2026-11-22"'),
        (logical("long", "timestamp-micros"), '"infinity"'),
        (logical("long", "timestamp-micros"), '"0044-03-15T12:00:00+00:00 BC"'),
        (logical("long", "timestamp-micros"), '"10000-01-01T00:00:00+00:00"'),
        (logical("long", "timestamp-micros"), '"0001-01-01T00:00:00"'),
        (logical("long", "timestamp-micros"), "1790000000123456"),
        (logical("long", "timestamp-micros"), "[1,2,3,4,5]"),
        (
            logical("long", "timestamp-micros"),
            json.dumps(["-" if n in (4, 7) else ":" if n in (13, 16) else "a" for n in range(32)]),
        ),
        (logical("long", "timestamp-micros"), '"2026-11-22T10:11.5Z"'),
        (logical("long", "timestamp-micros"), '"2026-11-22T24:00:00Z"'),
        (logical("long", "timestamp-micros"), '"2026-11-22x10:11:12Z"'),
        (logical("long", "timestamp-micros"), '"2026-W47-7T10:11:12Z"'),
        (logical("long", "timestamp-micros"), '"2026-11-22T10:11:12+00:00:00.1234567"'),
        (logical("long", "timestamp-micros"), '"2026-11-22T10:11:12+05:60"'),
        (logical("long", "timestamp-micros"), '"0001-01-01T00:00:00+05:00"'),
        (logical("long", "timestamp-micros"), '"9999-12-31T23:59:59-05:00"'),
        (logical("long", "timestamp-millis"), '"2026-11-22T10:11:12.123456Z"'),
        (logical("long", "timestamp-millis"), '"1969-12-31T23:59:59.999999Z"'),
        (logical("long", "local-timestamp-millis"), '"2026-11-22T10:11:12.123456"'),
        (logical("long", "timestamp-micros"), '{"a": 1}'),
        (logical("long", "timestamp-micros"), "null"),
        (logical("long", "local-timestamp-micros"), '"2026-11-22T10:11:12Z"'),
        (logical("int", "date"), '"2026-02-30"'),
        (logical("int", "date"), '"20260101"'),
        (logical("int", "date"), '"2026-W01-1"'),
        (logical("int", "date"), "1"),
        (logical("int", "date"), '["2", "0", "2", "6", "-", "0", "1", "-", "0", "1"]'),
        (logical("int", "time-millis"), '"10:11:12.123456"'),
        (logical("long", "time-micros"), '"00:00.5"'),
        (logical("long", "time-micros"), '"00:00"'),
        (logical("long", "time-micros"), '"10:11:12,5"'),
        (logical("long", "time-micros"), '"10:11:12.1234567"'),
        (logical("long", "time-micros"), '["0", "0", ":", "0", "0", ":", "0", "0"]'),
        (logical("long", "time-micros"), '"24:00:00"'),
        (logical("long", "time-micros"), '"10:00:00+01:00"'),
        (logical("long", "time-micros"), '"101112"'),
        (logical("long", "time-micros"), "5"),
        (logical("bytes", "decimal", precision=4, scale=2), "123.45"),
        (logical("bytes", "decimal", precision=4, scale=2), "1.234"),
        (logical("bytes", "decimal", precision=4, scale=2), "1e400"),
        (logical("bytes", "decimal", precision=4, scale=2), "1e999999999"),
        (logical("bytes", "decimal", precision=4, scale=2), "1e-999999999"),
        (logical("bytes", "decimal", precision=4, scale=2), "1e9999999999999999999"),
        (logical("bytes", "decimal", precision=4, scale=2), '"1e9999999999999999999"'),
        (logical("bytes", "decimal", precision=4, scale=2), "9" * 5000),
        (logical("bytes", "decimal", precision=4, scale=2), "0." + "9" * 5000),
        (logical("bytes", "decimal", precision=4, scale=2), "true"),
        (logical("bytes", "decimal", precision=4, scale=2), '"NaN"'),
        (logical("bytes", "decimal", precision=4, scale=2), '"1_0"'),
        (logical("bytes", "decimal", precision=4, scale=2), '" 1"'),
        (logical("bytes", "decimal", precision=4, scale=2), '"٣"'),
        ({"type": "fixed", "name": "F", "size": 1, "logicalType": "decimal", "precision": 2}, "[]"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_and_not_its_value(type_: Any, payload: str) -> None:
    said = refusal(of(type_), f'{{"f": {payload}}}')
    if "not JSON that can be read" not in said:
        assert said.startswith("s: $.f: expected ")
    assert len(said) < 200
    value = payload.strip('"')
    assert len(value) < 5 or value not in said


@pytest.mark.parametrize("also", ["int", logical("bytes", "decimal", precision=4)])
@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("-0.0", "-0.0"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("17976931348623157" + "0" * 292, "1.7976931348623157e+308"),
        ("1.7976931348623159e308", None),
        ("1e-400", "0.0"),
        ("9007199254740993", None),
        ("18446744073709551617", None),
        ('2, "f": 3', "3.0"),  # of two keys the last, as in jsonb
    ],
)
def test_both_parsers_agree(also: Any, payload: str, expected: str | None) -> None:
    """A schema with a decimal is read with another one."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": "double"}, {"name": "g", "type": also}]}
    text = f'{{"f": {payload}, "g": 0}}'
    if expected is None:
        refusal(schema, text)
    else:
        assert str(decode(schema, AvroSchema("s", json.dumps(schema)).encode(text))["f"]) == expected


def test_a_decimal_of_many_digits_is_exact() -> None:
    digits = "1" * 1000
    schema = logical("bytes", "decimal", precision=1000, scale=1)
    assert through(schema, f'"{digits[:-1]}.1"') == Decimal(f"{digits[:-1]}.1")


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "NaN",
        '{"f": NaN}',
        '{"f": Infinity}',
        '{"f": "\\ud800"}',
        '{"f": 1e400}',
        "[" * 100_000,
        '{"f":' * 2000,
    ],
)
@pytest.mark.parametrize("type_", ["string", logical("bytes", "decimal", precision=4)])
def test_what_is_not_json_is_refused(type_: Any, payload: str) -> None:
    refusal(of(type_), payload)


def test_a_lone_surrogate_is_refused_by_the_exact_parser_too() -> None:
    schema = of("string")
    schema["fields"].append({"name": "d", "type": logical("bytes", "decimal", precision=4)})
    assert "surrogate" in refusal(schema, '{"f": "\\udfff", "d": 1}')
    assert "surrogate" in refusal(
        of({"type": "map", "values": logical("bytes", "decimal", precision=4)}), '{"f": {"\\udfff": 1}}'
    )


NESTED = {
    "type": "record",
    "name": "test.Outer",
    "fields": [
        {"name": "rows", "type": {"type": "array", "items": {"type": "record", "name": "Row", "fields": [
            {"name": "n", "type": "int"},
            {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}}]}}},
        {"name": "last", "type": ["null", "Row"], "default": None},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        ('{"rows": [{"n": 1}, {"n": "x"}]}', "$.rows[1].n: expected an integer of 32 bits"),
        ('{"rows": [{"n": 1, "m": 2}]}', "$.rows[0]: expected no field 'm'"),
        ('{"rows": [{}]}', "$.rows[0].n: expected a value, because the field has no default"),
        ('{"rows": [], "last": {"n": 1, "tags": {"secret": 2}}}', "$.last.tags[*]: expected text"),
        ('{"rows": [], "lost": null}', "$: expected no field 'lost'"),
        ("[]", "$: expected an object"),
        ("{}", "$.rows: expected a value, because the field has no default"),
    ],
)
def test_the_place_is_a_json_path(payload: str, place: str) -> None:
    assert place in refusal(NESTED, payload)


def test_a_missing_field_takes_its_default() -> None:
    schema = {
        "type": "record",
        "name": "test.D",
        "fields": [
            {"name": "a", "type": "string"},
            {"name": "b", "type": ["null", "string"], "default": None},
            {"name": "c", "type": ["string", "null"], "default": "x"},
            {"name": "d", "type": "bytes", "default": "\u00ff"},
            {"name": "e", "type": {"type": "fixed", "name": "F2", "size": 2}, "default": "\u0000\u00ff"},
            {"name": "g", "type": logical("long", "timestamp-micros"), "default": 5},
            {"name": "h", "type": {"type": "array", "items": "int"}, "default": [1, 2]},
            {"name": "i", "type": {"type": "record", "name": "I", "fields": [
                {"name": "j", "type": "int", "default": 7}, {"name": "k", "type": "boolean"}]}, "default": {"k": True}},
            {"name": "l", "type": "I", "default": {"j": 1, "k": False}},
            {"name": "m", "type": {"type": "enum", "name": "M", "symbols": ["P", "Q"]}, "default": "Q"},
            {"name": "n", "type": "double", "default": 1},
            {"name": "p", "type": "double", "default": 1e300},
            {"name": "o", "type": logical("bytes", "decimal", precision=4, scale=2), "default": "\u0001"},
        ],
    }  # fmt: skip
    found = decode(schema, AvroSchema("s", json.dumps(schema)).encode('{"a": "y"}'))
    at = found.pop("g")
    assert at.microsecond == 5
    assert found == {
        "a": "y", "b": None, "c": "x", "d": b"\xff", "e": b"\x00\xff", "h": [1, 2], "i": {"j": 7, "k": True},
        "l": {"j": 1, "k": False}, "m": "Q", "n": 1.0, "p": 1e300, "o": Decimal("0.01"),
    }  # fmt: skip


TREE = {
    "type": "record",
    "name": "test.Tree",
    "fields": [
        {"name": "left", "type": ["null", "Tree"], "default": None},
        {"name": "right", "type": ["null", "Tree"], "default": None},
        {"name": "label", "type": "string", "default": ""},
    ],
}


def test_recursive_values_up_to_a_depth() -> None:
    schema = AvroSchema("s", json.dumps(TREE))
    assert decode(TREE, schema.encode('{"left": {"right": {"label": "x"}}}'))["left"]["right"]["label"] == "x"
    for levels, fits in ((99, True), (100, False)):
        payload = '{"left": ' * levels + "{}" + "}" * levels
        if fits:
            assert len(schema.encode(payload)) > levels
        else:
            with pytest.raises(EncodingError, match="nested more than 100 levels"):
                schema.encode(payload)


def test_a_deep_failure_takes_no_longer_than_a_success() -> None:
    """Each level is written once, or a value of 100 levels would be tried 2 to the power of 100 times."""
    levels = 98
    payload = '{"left": ' * levels + '{"oops": 1}' + ', "right": null}' * levels
    assert refusal(TREE, payload).endswith("expected no field 'oops'")


def test_depth_counts_containers() -> None:
    assert [depth(value) for value in (1, [], {}, [[1], {"a": [2]}])] == [0, 1, 1, 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid Avro"),
        ("{", "not valid Avro"),
        ("[]" * 2, "not valid Avro"),
        ('{"type": "record"}', "not valid Avro"),
        ('{"type": "nothing"}', "not valid Avro"),
        ("7", "not valid Avro"),
        (json.dumps(of("int", default="x")), "not valid Avro"),
        (json.dumps(of("double", default=10**400)), "not valid Avro"),
        (json.dumps(of({"type": "fixed", "name": "F", "size": -1})), "not valid Avro"),
        (json.dumps(of(logical("bytes", "decimal", precision=10**30))), "not valid Avro"),
        (json.dumps(of("test.R", default={})), "the default of f is not a value that ends"),
        (
            json.dumps(of({"type": "array", "items": "test.R"}, default=[{}])),
            "the default of f is not a value that ends",
        ),
        (json.dumps(of(["string", "bytes"])), "cannot tell the branches of the union string, bytes apart"),
        (json.dumps(of(["null", "int", "long"])), "cannot tell"),
        (json.dumps(of(["null", "string", logical("long", "timestamp-micros")])), "cannot tell"),
        (json.dumps(of(["null", "string", logical("bytes", "decimal", precision=4)])), "cannot tell"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_at_the_start(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AvroSchema("subject", text)
    assert said in str(caught.value)
    assert "subject.avsc" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_ships_need_not_be_copied(tmp_path: Path) -> None:
    subject = "bridge.entity_events-bridge.EntityChanged"
    assert load_schema(subject, tmp_path).text == load_schema(subject, None).text
    (tmp_path / f"{subject}.avsc").write_text(json.dumps(of("int")))
    assert json.loads(load_schema(subject, tmp_path).text) == of("int")


def test_schema_files(tmp_path: Path) -> None:
    (tmp_path / "good-R.avsc").write_text(json.dumps(of("int"), indent=2))
    (tmp_path / "latin-R.avsc").write_bytes(b'"\xe9"')
    (tmp_path / "huge-R.avsc").write_text(" " * 1_000_001)
    assert json.loads(load_schema("good-R", tmp_path).text) == of("int")
    for subject, said in {"latin-R": "UTF-8", "huge-R": "larger", "none-R": "there is no none-R.avsc in"}.items():
        with pytest.raises(ConfigError, match=said):
            load_schema(subject, tmp_path)
    with pytest.raises(ConfigError, match="among the schemas that ship"):
        load_schema("none-R", None)


def test_a_subject_cannot_leave_its_directory(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "secret.avsc").write_text('"int"')
    with pytest.raises(ConfigError):
        load_schema("../secret", tmp_path / "schemas")


class Random:
    """Random schemas with a JSON value and the Python value that fastavro wants for it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def make(self, level: int = 0) -> tuple[Any, Any, Any]:
        pick = self.random
        kind = pick.choice(
            ["int", "long", "double", "string", "boolean", "uuid", "enum", "bytes"]
            + ["record", "array", "map", "null_or"] * (level < 4)
        )
        if kind == "int":
            number = pick.choice([0, -1, pick.randint(-(2**31), 2**31 - 1)])
            return "int", number, number
        if kind == "long":
            number = pick.choice([0, 2**63 - 1, -(2**63), pick.randint(-(2 ** pick.randint(1, 63)), 2**40)])
            return "long", number, number
        if kind == "double":
            number = pick.choice([0.0, pick.uniform(-1e9, 1e9), pick.random() * 10 ** pick.randint(-300, 300)])
            return "double", number, number
        if kind == "boolean":
            return "boolean", *[pick.random() < 0.5] * 2
        if kind == "uuid":
            number = UUID(int=pick.getrandbits(128))
            return logical("string", "uuid"), str(number), number
        if kind == "bytes":
            data = pick.randbytes(pick.choice([0, 1, 100]))
            return "bytes", f"\\x{data.hex()}", data
        if kind == "enum":
            return self.named("enum", symbols=["A", "B", "C"]), *["C"] * 2
        if kind == "record":
            fields = [(f"f{number}", *self.make(level + 1)) for number in range(pick.randint(0, 12))]
            schema = self.named("record", fields=[{"name": name, "type": type_} for name, type_, _, _ in fields])
            return (
                schema,
                {name: given for name, _, given, _ in fields},
                {name: wanted for name, _, _, wanted in fields},
            )
        if kind == "null_or":
            schema, given, wanted = self.make(4)
            branches = pick.sample(["null", schema], 2)
            return (branches, given, wanted) if pick.random() < 0.7 else (branches, None, None)
        if kind in ("array", "map"):
            schema, given, wanted = self.make(level + 1)
            count = pick.choice([0, 1, 70])
            if kind == "array":
                return {"type": "array", "items": schema}, [given] * count, [wanted] * count
            keys = [f"k{number}é" for number in range(count)]
            return {"type": "map", "values": schema}, dict.fromkeys(keys, given), dict.fromkeys(keys, wanted)
        text = "".join(
            chr(pick.choice([pick.randint(32, 126), pick.randint(160, 0xD7FF)]))
            for _ in range(pick.choice([0, 5, 200]))
        )
        return "string", text, text

    def named(self, type_: str, **more: Any) -> dict[str, Any]:
        self.names += 1
        return {"type": type_, "name": f"test.N{self.names}"} | more


@pytest.mark.parametrize("seed", range(300))
def test_random_values_are_written_as_fastavro_writes_them(seed: int) -> None:
    schema, given, wanted = Random(seed).make()
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(schema), wanted)
    assert AvroSchema("s", json.dumps(schema)).encode(json.dumps(given)) == written.getvalue()


def test_random_damage_never_does_more_than_refuse() -> None:
    pick = random.Random(1)
    schema = AvroSchema("s", json.dumps(NESTED))
    good = '{"rows": [{"n": 1, "tags": {"a": "b"}}], "last": {"n": 2, "tags": {}}}'
    for _ in range(5000):
        text = list(good)
        for _ in range(pick.randint(1, 4)):
            text[pick.randrange(len(text))] = pick.choice(
                ['"', "{", "}", "[", "]", ",", ":", "0", "-", "e", "null", "\\", "\0"]
            )
        with contextlib.suppress(EncodingError):
            schema.encode("".join(text))


def test_the_deepest_json_does_not_take_the_process_down() -> None:
    """In a process of its own, because a crash would take this one along."""
    script = (
        "from bridge.encoding.avro.schema import AvroSchema; from bridge.errors import EncodingError; import json\n"
        f"tree = AvroSchema('s', {json.dumps(json.dumps(TREE))})\n"
        "for levels in (500, 1000, 5000, 200_000):\n"
        "    try: tree.encode('{\"left\": ' * levels + '{}' + '}' * levels)\n"
        "    except EncodingError: continue\n"
        "    raise SystemExit(1)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
