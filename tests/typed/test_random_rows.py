"""Random rows: what is written straight is what is written value by value, and a row arrives as it is, or is refused.

BRIDGE_TEST_EXAMPLES=20000 tries more than two hundred.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings

from bridge.admin.column_types import BUILT_IN, SPELLED, decimal
from bridge.encoding.array_literal import read_array_literal
from bridge.encoding.change import ChangeSchema
from bridge.encoding.usual_change import usual_change
from bridge.errors import EncodingError
from typed.scene import Db, comparable, decoded, differing, payloads, schema_of

EXAMPLES = int(os.environ.get("BRIDGE_TEST_EXAMPLES", "200"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

TYPES = {name: schema for name, schema in BUILT_IN.items() if name != "json"} | {
    "text": "string",
    "spelled": SPELLED,
    "amount": decimal(12, 2),
    "count": decimal(5, 0),
    "ints": {"type": "array", "items": ["null", "int"]},
    "mood": {"type": "enum", "name": "mood", "symbols": ["a", "b"]},
}


def change_schema(fields: list[Any]) -> ChangeSchema:
    row = {"type": "record", "name": "Row", "fields": fields}
    states = [
        {"name": "before", "type": ["null", row], "default": None},
        {"name": "after", "type": ["null", "Row"], "default": None},
    ]
    record = {"type": "record", "name": "Change", "bridge": {"form": "change"}, "fields": states}
    return ChangeSchema("change", json.dumps(record))


SCHEMA = change_schema([{"name": name, "type": ["null", schema], "default": None} for name, schema in TYPES.items()])
# As people may have edited it
EDITED = change_schema(
    [
        {"name": "int4", "type": "int", "default": 0},
        {"name": "text", "type": ["string", "null"], "default": "-"},
        {"name": "amount", "type": TYPES["amount"]},
        {"name": "count", "type": [TYPES["count"], "null"], "default": "\x01"},
        {"name": "timestamptz", "type": TYPES["timestamptz"], "default": 0},
        {"name": "date", "type": ["null", TYPES["date"]]},
        {"name": "jsonb", "type": TYPES["jsonb"]},
        {"name": "mood", "type": TYPES["mood"], "default": "a"},
        {"name": "bool", "type": ["null", "boolean"], "default": None},
        {"name": "spelled", "type": "string", "default": ""},  # in a byte, as null is
        {"name": "int2", "type": TYPES["date"], "default": 0},
    ]
)


# JSON of values that fit here and there, and of many that do not
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(-(2**31), 2**31).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(lambda number: format(number, "f")),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0", "-0", "-0.00", "1.50", "1.5", "150", "1e2", "1E400", "-9999999999.99", "10000000000.00"]),
)
TIMES = st.one_of(
    st.datetimes().map(lambda time: time.isoformat() + "+00:00"),
    st.datetimes().map(lambda time: time.isoformat()),
    st.datetimes().map(lambda time: f"{time.isoformat()}7+00:00"),
    st.dates().map(str),
    st.times().map(str),
    st.sampled_from(
        """infinity|0044-03-15 BC|2026-01-01T24:00:00+00:00|2026-W01-1|20260101|24:00:00|12:00|12:00:00+00
        12:00:00.1234567|2026-01-01 00:00:00Z|0001-01-01T00:00:00+01:00|9999-12-31T23:59:59-01:00|1969-12-31T23:59:59Z
        2026-01-01T00:00:00.1234567Z|2026-01-01T00:00:00.123456789|1970-01-01T00:00:00Z|1970-01-01T00:02:14.217728Z
        1970-01-01T00:02:14.217727+00:00|3111-12-31T00:00:00Z|3200-01-01T00:00:00Z""".replace("\n        ", "|").split(
            "|"
        )
    ),
)
TEXTS = st.one_of(
    TIMES,
    st.text(),
    st.uuids().map(str),
    st.sampled_from(["a", "b", "NaN", "Infinity", "\\x00ff", "\\xf", "{1,2}", "x" * 9000, "[masked]"]),
)
VALUES = st.one_of(
    NUMBERS,
    TEXTS.map(json.dumps),
    TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(["null", "true", "false", "[1,null]", "[]", "{}", '[1,"x"]', '{"$unrepresented": "x"}', "[true]"]),
)
STATES = st.dictionaries(st.sampled_from([*TYPES, "other"]), VALUES).map(
    lambda found: "{" + ", ".join(f'"{name}": {value}' for name, value in found.items()) + "}"
)


NEEDED = '{"amount": 1.50, "date": null, "jsonb": {}'  # so much of the edited schema has no default
ENOUGH = NEEDED + ', "int4": 5, "text": null, "count": 7, "timestamptz": "2026-01-01T00:00:00Z", "mood": "a"'


@pytest.mark.parametrize("schema", [SCHEMA, EDITED], ids=["generated", "edited"])
@many
@given(one=STATES, other=STATES)
@example(one='{"timestamptz": "2026-01-01T00:00:00.1234567+00:00"}', other="{}")
@example(one='{"int4": 1, "bool": true}', other='{"int4": true, "bool": 1}')
@example(one='{"ints": [true]}', other='{"ints": [1]}')
@example(one='{"amount": 1.5}', other='{"amount": 150}')
@example(one=NEEDED + ', "amount": null}', other=NEEDED + "}")
@example(
    one=NEEDED + ', "int4": 5, "text": null, "count": 7, "mood": "b"}', other=NEEDED + ', "text": "x", "other": null}'
)
@example(one=ENOUGH + ', "spelled": "x"}', other=ENOUGH + ', "int2": "2026-01-01"}')
@example(one=NEEDED + ', "jsonb": null}', other=NEEDED + ', "timestamptz": "2026-01-01T00:00:00+00:00"}')
def test_what_is_written_straight_is_what_is_written_value_by_value(schema: ChangeSchema, one: str, other: str) -> None:
    """INSERT, DELETE and UPDATE."""
    for before, after in ((None, one), (one, None), (one, other), (other, one)):
        text = payload(before, after)
        try:
            slowly = schema.encode_slowly(text)
        except EncodingError as error:
            with pytest.raises(EncodingError, match=re.escape(str(error))):
                schema.encode(text)
        else:
            assert schema.encode(text) == slowly
            assert slowly == b"".join(b"\x00" if s is None else b"\x02" + body(schema, s) for s in (before, after))


def payload(before: str | None, after: str | None) -> str:
    change = {"id": "x", "seq": 1, "entity_type": "t", "entity_id": "1", "action": "UPDATE"}
    return json.dumps(change | {"previous_state": before, "new_state": after})


def body(schema: ChangeSchema, state: str) -> bytes:
    return schema.rows["new_state"].write(state)


@pytest.mark.parametrize("kind", [*TYPES.values(), "boolean", {"type": "long", "logicalType": "timestamp-millis"}])
@pytest.mark.parametrize("name", ["id", "seq", "entity_type_id", "action", "changed_fields", "occurred_at"])
def test_what_is_beside_the_states_may_be_of_any_type(name: str, kind: Any) -> None:
    """Somebody may have written the schema by hand."""
    change = {
        **json.loads(payload(None, None)),
        "entity_type_id": "019377a8-6f0c-7d3c-9a50-3c1f2a1b4c5d",
        "changed_fields": ["a"],
        "occurred_at": "2026-01-01T23:30:00.123456-05:00",
    }
    row = {"type": "record", "name": "Row", "fields": []}
    fields = [{"name": name, "type": kind}, {"name": "after", "type": ["null", row]}]
    record = {"type": "record", "name": "Change", "bridge": {"form": "change"}, "fields": fields}
    schema = ChangeSchema("change", json.dumps(record))
    try:
        slowly = schema.encode_slowly(json.dumps(change))
    except EncodingError as error:
        with pytest.raises(EncodingError, match=re.escape(str(error))):
            schema.encode(json.dumps(change))
    else:
        assert schema.encode(json.dumps(change)) == slowly


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00",
        "1969-12-31T23:59:59.999999",
        "1970-01-01T00:00:00",
        "1970-01-26T10:50:23.255551",  # the last whose varint has six bytes
        "1970-01-26T10:50:23.255552",
        "1978-12-02T19:29:36.710655",
        "1978-12-02T19:29:36.710656",
        "3111-09-16T23:10:18.963967",
        "3111-09-16T23:10:18.963968",  # the first whose varint has nine
        "9999-12-31T23:59:59.999999",
    ],
)
def test_times_have_as_many_bytes_as_they_need(time: str) -> None:
    text = payload(None, f'{{"timestamptz": "{time}+00:00", "timestamp": "{time}"}}')
    assert SCHEMA.encode(text) == SCHEMA.encode_slowly(text)


@pytest.mark.parametrize("name", TYPES)
def test_the_straight_way_is_the_usual_one(name: str) -> None:
    """It would be of no use if it refused what Postgres prints."""
    usual = {
        "int2": "1", "int4": "-1", "int8": "12345678901", "float4": "1.5", "float8": "0.1", "bool": "true",
        "bytea": r'"\\x00ff"', "uuid": '"019377a8-6f0c-7d3c-9a50-3c1f2a1b4c5d"', "date": '"2026-01-01"',
        "time": '"12:00:00.5"', "timestamp": '"2026-01-01T00:00:00"', "timestamptz": '"2026-01-01T00:00:00.5+00:00"',
        "jsonb": '{"a": 1.00}', "text": '"ü"', "spelled": "1.00", "amount": "-12.50", "count": "7", "ints": "[1, null]",
        "mood": '"b"',
    }  # fmt: skip

    def refuse(_: str) -> bytes:
        raise AssertionError("this is not written straight")

    straight = usual_change(SCHEMA.fields, SCHEMA.rows, refuse)
    states = [f'{{"{name}": {value}}}' for value in (usual[name], "null")]
    for before, after in itertools.product([None, *states], repeat=2):
        assert straight(payload(before, after)) == SCHEMA.encode_slowly(payload(before, after))


@many
@given(
    st.recursive(
        st.lists(st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
        lambda inner: st.lists(inner, min_size=1),
        max_leaves=5,
    )
)
def test_array_literals(elements: list[Any]) -> None:
    def literal(value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, list):
            return "{" + ",".join(map(literal, value)) + "}"
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert read_array_literal(literal(elements)) == elements
    assert read_array_literal("[0:5][2:3]=" + literal(elements)) == elements


@pytest.mark.parametrize(
    "text", ["", "{", "}", "{,}", "{a,}", "{,a}", "{a b", "a", "{}{}", '{"a}', "{a}b", '{"a"b}', "[1:2]"]
)
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no array"):
        read_array_literal(text)


# Types, and SQL that makes a value of each; of some, what Avro holds of them
MADE = {
    "whole": ("int", "(random() * 4294967295 - 2147483648)::bigint::int"),
    "big": ("bigint", "((random() - 0.5) * 1.8e19)::numeric(19)::bigint"),
    "exact": ("numeric", "trunc((random() * 10 ^ (random() * 30))::numeric, (random() * 20)::int)"),
    "amount": ("numeric(9, 3)", "(random() * 999999 - 500000)::numeric(9, 3)"),
    "real8": ("double precision", "(random() - 0.5) * 10 ^ (random() * 600 - 300)"),
    "at": ("timestamptz", "timestamptz '2000-01-01+00' + (random() - 0.3) * interval '9000 years'"),
    "local_at": ("timestamp", "timestamp '2000-01-01' + (random() - 0.3) * interval '3000 years'"),
    "day": ("date", "date '2000-01-01' + ((random() - 0.1) * 4000000)::int"),
    "clock": ("time", "(time '00:00' + random() * interval '24 hours')::time"),
    "name": ("text", "(select string_agg(chr((random() * 50000 + m)::int), '') from generate_series(1, 9) as m)"),
    "data": ("bytea", "decode(md5(random()::text), 'hex')"),
    "key": ("uuid", "md5(random()::text)::uuid"),
    "numbers": ("bigint[]", "array[(random() * 1e15)::bigint, null, (random() * -100)::bigint]"),
}
BOUNDS = ("at", "local_at", "day")
FITS = "coalesce({0}, '2000-01-01') between '0001-01-01' and '9999-12-31 23:59:59.999999'"


def test_random_rows_arrive_as_they_are_or_are_refused(db: Db) -> None:
    seed = int(os.environ.get("BRIDGE_TEST_SEED", "0")) or random.randrange(1, 2**31)
    print("seed", seed)
    db.execute("set timezone = 'UTC'")
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in MADE.items())
    db.execute(f"create table public.things (id int primary key, {columns})".encode())
    db.execute("select bridge.enable_tracking('public.things')")
    db.execute("select setseed(%s)", (seed / 2**31,))
    values = ", ".join(f"case when random() < 0.9 then {value} end" for _, value in MADE.values())
    db.execute(f"insert into public.things select n, {values} from generate_series(1, {EXAMPLES}) as n".encode())
    fits = [FITS.format(name) for name in BOUNDS]
    shown = [f"case when {FITS.format(name)} then {name} end" if name in BOUNDS else name for name in MADE]
    shown[list(MADE).index("exact")] = "exact::text"
    query = f"select {' and '.join(fits)}, id, {', '.join(shown)} from public.things"
    rows = {row[1]: (row[0], dict(zip(["id", *MADE], row[1:], strict=True))) for row in db.execute(query.encode())}
    schema, outcomes = schema_of(db, "public.things"), set()
    for payload in payloads(db, "things"):
        has_room, wanted = rows[int(json.loads(payload)["entity_id"])]
        outcomes.add(has_room)
        if not has_room:
            with pytest.raises(EncodingError, match=r"new_state\.(at|local_at|day): expected a (time|date)"):
                schema.encode(payload)
            continue
        assert differing(comparable(decoded(schema, schema.encode(payload))["after"], {}), comparable(wanted, {})) == {}
    assert outcomes == {True, False}
