"""No value, header or text from outside does more than be refused, and none is refused or changed without a reason.

BRIDGE_TEST_EXAMPLES=20000 tries more than two hundred.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Callable
from typing import Any

import fastavro
import hypothesis.strategies as st
import pytest
from avro_documents import MARK, documents, schemas
from avro_oracle import Unfit, meaning, read, same
from hypothesis import HealthCheck, given, settings

from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import EncodingError

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
