"""What one event costs to encode: our compiled writers against fastavro's, which does not validate. `make bench`."""

from __future__ import annotations

import io
import json
import timeit

import fastavro
import orjson
import pytest

from bridge.encoding.avro.schema import AvroSchema

pytestmark = pytest.mark.bench

SCHEMA = {
    "type": "record",
    "name": "Contact",
    "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "name", "type": "string"},
        {"name": "email", "type": ["null", "string"], "default": None},
        {"name": "street", "type": "string"},
        {"name": "n", "type": "long"},
        {"name": "updated_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
PAYLOAD = json.dumps(
    {
        "id": "019377a8-6f0c-7d3c-9a50-3c1f2a1b4c5d",
        "name": "some name",
        "email": "some.one@example.com",
        "street": "1 Main Street",
        "n": 12345,
        "updated_at": "2026-11-22T12:00:00.123456Z",
        "note": "x" * 60,
    }
)
NUMBER, REPEATS = 20_000, 7


def test_encode(capsys: pytest.CaptureFixture[str]) -> None:
    ours, parsed = AvroSchema("contact", json.dumps(SCHEMA)), fastavro.parse_schema(SCHEMA)
    converted = {**orjson.loads(PAYLOAD), "updated_at": 1795348800123456}

    def fastavro_writer() -> bytes:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed, converted)
        return buffer.getvalue()

    assert fastavro_writer() == ours.encode(PAYLOAD)
    rows = {
        "ours: JSON text, validated and written": lambda: ours.encode(PAYLOAD),
        "fastavro: only written, from a converted dict": fastavro_writer,
        "orjson: only read": lambda: orjson.loads(PAYLOAD),
    }
    with capsys.disabled():
        print()
        for name, function in rows.items():
            best = min(timeit.repeat(function, number=NUMBER, repeat=REPEATS)) / NUMBER
            print(f"{best * 1e6:6.2f} us  {name}")
