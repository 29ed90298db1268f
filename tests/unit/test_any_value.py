"""No value, header or text from outside does more than be refused, and none is refused or changed without a reason.

BRIDGE_TEST_EXAMPLES=20000 tries more than two hundred.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import time
from collections.abc import Callable
from typing import Any

import fastavro
import hypothesis.strategies as st
import pytest
from avro_documents import MARK, Raw, documents, schemas, spellings, write
from avro_oracle import Number, Unfit, is_utf8, meaning, read, same
from hypothesis import HealthCheck, given, settings

from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.headers import event_headers, rfc3339, writer_headers
from bridge.errors import EncodingError, PoisonEvent
from bridge.event import EVENT_QUEUE, Event
from bridge.text import printable

EXAMPLES = int(os.environ.get("BRIDGE_TEST_EXAMPLES", "200"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def decode(schema: Any, body: bytes) -> Any:
    stream = io.BytesIO(body)
    value = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    assert stream.read() == b""
    return value


@many
@given(st.data())
def test_what_fits_is_read_back_as_it_was(data: st.DataObject) -> None:
    schema, names = data.draw(schemas())
    payload = data.draw(documents(schema, names, misses=False))
    body = AvroSchema("s", json.dumps(schema)).encode(payload)
    assert same(decode(schema, body), meaning(schema, read(payload), names))


@many
@given(st.data())
def test_what_nearly_fits_is_written_exactly_or_refused_without_its_value(data: st.DataObject) -> None:
    schema, names = data.draw(schemas())
    payload = data.draw(documents(schema, names, misses=True))
    try:
        expected = meaning(schema, read(payload), names)
    except (Unfit, ValueError):
        expected = Unfit
    said, body = "", b""
    try:
        body = AvroSchema("s", json.dumps(schema)).encode(payload)
    except EncodingError as refused:
        said = str(refused)
    assert MARK not in said.partition("expected no field")[0]
    assert len(said) < 500
    assert expected is Unfit if said else same(decode(schema, body), expected)


deep = st.integers(200, 2000).map(lambda levels: Raw("[" * levels + "]" * levels))
given_texts = st.text(st.characters(), max_size=8)
given_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), spellings, given_texts, deep),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(given_texts, inner, max_size=3),
    max_leaves=5,
)
given_names = given_texts | st.sampled_from(["traceparent", "ce_id", "CE_ID", "content-type", "a\0b", "x" * 20_000])


@many
@given(st.dictionaries(given_names, given_values, max_size=5) | given_values)
def test_headers_arrive_as_they_were_written_or_are_refused(given: Any) -> None:
    text = write(given)
    try:
        found = writer_headers(text)
    except PoisonEvent:
        assert not isinstance(given, dict) or not all(
            len(name) < 100
            and not is_reserved(name)
            and "\0" not in name
            and is_utf8(name + str(value))
            and not isinstance(value, list | dict | Raw)
            for name, value in given.items()
        )
        return
    wanted = {name: value for name, value in given.items() if value is not None and name}
    assert [name for name, _ in found] == list(wanted)
    for (_, content), value in zip(found, wanted.values(), strict=True):
        assert content.decode() == value if isinstance(value, str) else verbatim(content) == verbatim(write(value))


def is_reserved(name: str) -> bool:
    return re.match("(?i:ce_|bridge_|content-type)", name) is not None


def verbatim(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_can_be_written(created_us: int) -> None:
    assert len(rfc3339(created_us)) == len("2026-11-22T10:11:12.123456Z")
    event = Event(EVENT_QUEUE, 1, "", "", "", "", None, created_us)
    assert dict(event_headers(event))["ce_time"].endswith("Z")


@many
@given(st.text(st.characters()))
def test_what_is_printed_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown == printable(shown)
    assert shown == text or not text.isprintable()


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
TREE = {"type": "record", "name": "T", "fields": [{"name": "t", "type": {"type": "array", "items": "T"}}]}


def text(content: str) -> str:
    return f'"{content}"'


@pytest.mark.parametrize(
    ("schema", "payload"),
    [
        (DECIMAL, lambda n: "0." + "3" * n),
        (DECIMAL, lambda n: "1." + "0" * n),
        (DECIMAL, lambda n: text("0." + "3" * n)),
        (DECIMAL, lambda n: "9" * n),
        (DECIMAL, lambda n: "1e" + "9" * n),
        ({"type": "map", "values": DECIMAL}, lambda n: '{"a": 0.' + "3" * n + "}"),
        ("double", lambda n: "0." + "3" * n),
        ("double", lambda n: "9" * n),
        ("long", lambda n: "9" * n),
        ("string", lambda n: text("x" * n)),
        ("string", lambda n: text("\\ud800" * n)),
        ("bytes", lambda n: text("\\\\x" + "00" * n)),
        ({"type": "string", "logicalType": "uuid"}, lambda n: text("0" * n)),
        ({"type": "long", "logicalType": "timestamp-micros"}, lambda n: text("2026-11-22T10:11:12." + "0" * n + "Z")),
        ({"type": "long", "logicalType": "time-micros"}, lambda n: text("10:11:12." + "0" * n)),
        ({"type": "int", "logicalType": "date"}, lambda n: text("2026-11-22" + "0" * n)),
        ({"type": "array", "items": "int"}, lambda n: "[" + "1, " * n + "1]"),
        ({"type": "array", "items": "double"}, lambda n: "[" + "1e19, " * n + "1]"),
        ({"type": "map", "values": "int"}, lambda n: json.dumps(dict.fromkeys(map(str, range(n)), 1))),
        (TREE, lambda n: json.dumps(dict.fromkeys(map(str, range(n)), 1))),
        (TREE, lambda n: '{"t": [' * n),
        (TREE, lambda n: '{"t": [' * n + "]}" * n),
        (TREE, lambda n: '{"t": [' + '{"t": []}, ' * n + '{"t": []}]}'),
    ],
)
def test_the_work_grows_no_faster_than_the_value(schema: Any, payload: Callable[[int], str]) -> None:
    """Quadratic would be 256 times as much for 16 times the size."""
    avro = AvroSchema("s", json.dumps(schema))

    def seconds(size: int) -> float:
        given, taken = payload(size), []
        for _ in range(3):
            begun = time.process_time()
            with contextlib.suppress(EncodingError):
                avro.encode(given)
            taken.append(time.process_time() - begun)
        return min(taken)

    assert seconds(32_000) < 80 * max(seconds(2000), 1e-5)
