"""A table of every kind of column, from `bridge track` to consumers in Python and Java."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fix_command import data_of
from fix_relay import Site
from java import Java

from bridge.encoding.change import ChangeSchema
from typed import scene
from typed.scene import comparable, differing, field_names, in_table, insert

SOURCE = Path(__file__).with_name("Changes.java")
EPOCH = datetime(1970, 1, 1)


def test_changes_arrive_typed_in_python_and_in_java(site: Site, java: Java, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(scene.KINDS, 'quo"ted')
    subject, topic = f"{site.name}.rows-value", f"{site.name}.rows"
    with site.connect() as db:
        scene.create(db)
        assert site.bridge("track", "things").returncode == 0
        file = site.config.parent / "schemas" / f"{subject}.avsc"
        written = site.bridge("schema", "generate", "things", "--out", str(file))
        assert written.returncode == 0, written.stderr
        site.configure(f'[[routes]]\ntable = "things"\ntopic = "{topic}"\nsubject = "{subject}"\n')
        checked = site.bridge("config", "check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        schema = ChangeSchema(subject, file.read_text("utf-8"))
        names, states = field_names(schema), []
        for number in range(-1, 5):
            insert(db, number, number)
            states.append(("INSERT", None, in_table(db, names)[number]))
        db.execute("update things set whole = 7, document = null where id = 2")
        states.append(("UPDATE", states[3][2], in_table(db, names)[2]))
        rows = in_table(db, names)
        db.execute("delete from things")
        states += [("DELETE", rows[key], None) for key in rows]
        db.execute("truncate things")
        states.append(("TRUNCATE", None, None))
        insert(db, 9, 0)
        states.append(("INSERT", None, in_table(db, names)[9]))
    relay = site.start("--until-empty")
    assert relay.wait(120) == 0, site.log(relay)
    found = site.records()
    assert [record.headers["bridge_error"] for record in found[f"{site.name}.dead_letters"]] == []

    context = SerializationContext(topic, MessageField.VALUE)
    records = {record.headers["ce_sequence"]: record for record in found[topic]}
    values = [records[sequence].value or b"" for sequence in sorted(records)]  # over the partitions, as written
    with SchemaRegistryClient({"url": site.settings.registry.url}) as registry:
        deserialize = AvroDeserializer(registry)
        changes: list[Any] = [deserialize(value, context) for value in values]
    assert [change["action"] for change in changes] == [action for action, _, _ in states]
    for change, (_, *wanted) in zip(changes, states, strict=True):
        for name, state in zip(("before", "after"), wanted, strict=True):
            assert differing(comparable(change[name], names), state) == {}
    assert data_of(site.bridge("verify", "--json").stdout)["lost"] == 0

    lines = java.run(SOURCE, given="\n".join([schema.text, *(value[5:].hex() for value in values), ""])).splitlines()
    floats = {names["real4"]: "<f"}
    for change, read in zip(changes, zip(lines[::2], lines[1::2], strict=True), strict=True):
        for name, line in zip(("before", "after"), read, strict=True):
            row = change[name] or {}
            shown_there = [bytes.fromhex(part).decode() for part in line.split()]
            assert shown_there == [shown(value, floats.get(field, "<d")) for field, value in row.items()]


def shown(value: Any, form: str = "<d") -> str:
    """As Changes.java shows it."""
    match value:
        case None:
            return "-"
        case bool():
            return f"b{str(value).lower()}"
        case int():
            return f"i{value}"
        case float():
            return f"{form[1]}{int.from_bytes(struct.pack(form, value), 'little'):x}"
        case Decimal():
            return f"n{value:f}"
        case datetime():
            micros = (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value) - EPOCH
            return f"{'t' if value.tzinfo else 'l'}{micros // timedelta(microseconds=1)}"
        case date():
            return f"e{value.toordinal() - EPOCH.toordinal()}"
        case time():
            return f"c{((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond}"
        case UUID():
            return f"u{value}"
        case bytes():
            return f"x{value.hex()}"
        case list():
            return f"[{','.join(shown(item) for item in value)}]"
    return f"s{value}"
