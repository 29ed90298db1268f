"""One record with every logical type, written to Postgres and carried by a relay, as each deserializer gives it back.

Confluent's for Java is not to be had from Maven Central; its wire format is read here by Avro's Java reader.
"""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fix_relay import Site
from java import Java
from java_reader import read_by_java
from psycopg.types.json import Jsonb

from bridge.consumer.decoding import Decoder
from bridge.consumer.message import Arrived


def logical(base: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


DECIMAL = logical("bytes", "decimal", precision=38, scale=9)
FIELDS: dict[str, Any] = {
    "id": logical("string", "uuid"),
    "amount": DECIMAL,
    "rate": {"type": "fixed", "name": "Rate", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 4},
    "day": logical("int", "date"),
    "clock": logical("long", "time-micros"),
    "millis": logical("long", "timestamp-millis"),
    "micros": logical("long", "timestamp-micros"),
    "local": logical("long", "local-timestamp-micros"),
    "colour": {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]},
    "numbers": {"type": "array", "items": "long"},
    "amounts": {"type": "array", "items": DECIMAL},
    "words": {"type": "map", "values": "string"},
    "missing": ["null", DECIMAL],
    "present": ["null", logical("long", "timestamp-micros")],
    "whole": "long",
    "ratio": "double",
    "flag": "boolean",
    "raw": "bytes",
    "text": "string",
    "inner": {"type": "record", "name": "Inner", "fields": [{"name": "at", "type": logical("int", "date")}]},
}
SCHEMA = {"type": "record", "name": "test.All", "fields": [{"name": n, "type": t} for n, t in FIELDS.items()]}
PAYLOAD = {
    "id": "6F1C0DE5-8C1E-4F0E-9A75-000000000001",
    "amount": "-12345678901234567890123456789.123456789",
    "rate": "0.0001",
    "day": "0001-01-01",
    "clock": "23:59:59.999999",
    "millis": "1969-12-31T23:59:59.999+00:00",
    "micros": "2026-11-27T12:34:56.123457+02:00",
    "local": "2026-11-27T12:34:56.123457",
    "colour": "GREEN",
    "numbers": [-(2**63), 0, 2**63 - 1],
    "amounts": ["0.5", "-1"],
    "words": {"grüß": "Ω 𝄞"},
    "missing": None,
    "present": "9999-12-31T23:59:59.999999Z",
    "whole": 2**53 + 1,
    "ratio": 0.1,
    "flag": True,
    "raw": "\\x00ff",
    "text": "line\nzero width​",
    "inner": {"at": "2024-02-29"},
}
EXPECTED = {
    "id": uuid.UUID(PAYLOAD["id"]),
    "amount": Decimal(PAYLOAD["amount"]),
    "rate": Decimal("0.0001"),
    "day": date(1, 1, 1),
    "clock": time(23, 59, 59, 999999),
    "millis": datetime(1969, 12, 31, 23, 59, 59, 999000, UTC),
    "micros": datetime(2026, 11, 27, 10, 34, 56, 123457, UTC),
    "local": datetime(2026, 11, 27, 12, 34, 56, 123457),
    "colour": "GREEN",
    "numbers": PAYLOAD["numbers"],
    "amounts": [Decimal("0.5"), Decimal(-1)],
    "words": PAYLOAD["words"],
    "missing": None,
    "present": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    "whole": 2**53 + 1,
    "ratio": 0.1,
    "flag": True,
    "raw": b"\0\xff",
    "text": PAYLOAD["text"],
    "inner": {"at": date(2024, 2, 29)},
}
TYPED = {  # class and text
    "id": ("java.util.UUID", str(EXPECTED["id"])),
    "amount": ("java.math.BigDecimal", PAYLOAD["amount"]),
    "rate": ("java.math.BigDecimal", "0.0001"),
    "day": ("java.time.LocalDate", "0001-01-01"),
    "clock": ("java.time.LocalTime", "23:59:59.999999"),
    "millis": ("java.time.Instant", "1969-12-31T23:59:59.999Z"),
    "micros": ("java.time.Instant", "2026-11-27T10:34:56.123457Z"),
    "local": ("java.time.LocalDateTime", "2026-11-27T12:34:56.123457"),
    "colour": ("org.apache.avro.generic.GenericData$EnumSymbol", "GREEN"),
    "numbers": ("org.apache.avro.generic.GenericData$Array", "3"),
    "numbers[0]": ("java.lang.Long", "-9223372036854775808"),
    "numbers[1]": ("java.lang.Long", "0"),
    "numbers[2]": ("java.lang.Long", "9223372036854775807"),
    "amounts": ("org.apache.avro.generic.GenericData$Array", "2"),
    "amounts[0]": ("java.math.BigDecimal", "0.500000000"),
    "amounts[1]": ("java.math.BigDecimal", "-1.000000000"),
    "words": ("java.util.HashMap", "1"),
    "words[grüß]": ("org.apache.avro.util.Utf8", "Ω 𝄞"),
    "missing": ("null", "null"),
    "present": ("java.time.Instant", "9999-12-31T23:59:59.999999Z"),
    "whole": ("java.lang.Long", str(2**53 + 1)),
    "ratio": ("java.lang.Double", "0.1"),
    "flag": ("java.lang.Boolean", "true"),
    "raw": ("java.nio.HeapByteBuffer", "00ff"),
    "text": ("org.apache.avro.util.Utf8", PAYLOAD["text"]),
    "inner.at": ("java.time.LocalDate", "2024-02-29"),
}


@pytest.fixture
def topic(site: Site) -> str:
    """A topic with the record, as a relay has carried it from Postgres."""
    site.route("all.types", "all", SCHEMA)
    with site.connect() as db:
        db.execute("select bridge.publish_event('all.types', 'k', %s)", (Jsonb(PAYLOAD),))
    site.drain()
    return f"{site.name}.all"


def test_this_projects_own_and_confluents_for_python(site: Site, topic: str) -> None:
    (found,) = site.records()[topic]
    registry = SchemaRegistryClient({"url": site.settings.registry.url})

    ours = Decoder(site.settings.registry).decode(Arrived(topic, 0, 0, None, found.key, found.value, found.headers))
    confluents = AvroDeserializer(registry)(found.value, SerializationContext(topic, MessageField.VALUE))

    for value in (ours.value, confluents):
        assert value == EXPECTED
        assert {name: type(content) for name, content in value.items()} == {n: type(e) for n, e in EXPECTED.items()}
    registry.close()


def test_avros_and_apicurios_for_java(site: Site, topic: str, java: Java) -> None:
    """Apicurio's gives what Avro stores, unless it is told otherwise."""
    found = {by: fields for (by, _), fields in read_by_java(java, site.settings, topic).items()}

    assert found["avro"] == TYPED
    assert found["apicurio-logical"] == TYPED
    stored = found["apicurio"]
    micros = (EXPECTED["micros"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert stored["micros"] == ("java.lang.Long", str(micros))
    assert int.from_bytes(bytes.fromhex(stored["amount"][1]), "big", signed=True) == int(
        PAYLOAD["amount"].replace(".", "")
    )
    for name in ("id", "colour", "numbers", "words", "missing", "whole", "ratio", "flag", "raw", "text"):
        assert stored[name][1] == TYPED[name][1]
