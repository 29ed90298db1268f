"""A table of every kind of column through `track`, `schema generate`, `schema apply` and `run`.

It arrives typed, and as it is in the table, for consumers in Python and in Java.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from fix_relay import Site
from java import Java
from java_reader import read_by_java

from bridge.consumer.decoding import Decoder
from bridge.consumer.message import Arrived
from typed import scene
from typed.scene import comparable, differing, in_table

ROWS = 5

PARSED: dict[type, Callable[[str], Any]] = {
    int: int,
    Decimal: Decimal,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    bytes: bytes.fromhex,
    str: str,
}


def test_as_it_is_in_the_table(site: Site, java: Java) -> None:
    topic, subject = f"{site.name}.typed", f"{site.name}.typed-value"
    schema = site.config.parent / "schemas" / f"{subject}.avsc"
    with site.connect() as db:
        scene.create(db)
        for command in (["track", "public.things"], ["schema", "generate", "public.things", "--out", str(schema)]):
            done = site.bridge(*command)
            assert done.returncode == 0, done.stderr
        site.configure(f'[[routes]]\ntable = "things"\ntopic = "{topic}"\nsubject = "{subject}"\n')
        done = site.bridge("schema", "apply")
        assert done.returncode == 0, done.stdout + done.stderr
        for number in range(ROWS):
            scene.insert(db, number, number)
        names = scene.field_names(scene.schema_of(db))
        rows = in_table(db, names)
    site.drain()

    decoder = Decoder(site.settings.registry)
    records = [
        decoder.decode(Arrived(topic, found.partition, 0, None, found.key, found.value, found.headers)).value
        for found in site.records()[topic]
    ]
    read = read_by_java(java, site.settings, topic)

    assert len(scene.KINDS) > 50
    assert {record["after"]["id"] for record in records} == set(range(ROWS))
    for record in records:
        assert differing(comparable(record["after"], names), rows[record["after"]["id"]]) == {}
    for by in ("avro", "apicurio-logical"):
        found_by_java = {values["after.id"][1]: values for (reader, _), values in read.items() if reader == by}
        assert len(found_by_java) == ROWS
        for record in records:
            values = found_by_java[str(record["after"]["id"])]
            expected = dict(flat("", record))
            assert values.keys() == expected.keys()
            assert {
                path: (values[path], value) for path, value in expected.items() if not is_same(values[path], value)
            } == {}


def flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each value by its path, a list also as its length."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(f"{path}.{name}".removeprefix("."), inner)
    elif isinstance(value, list):
        yield path, len(value)
        for index, item in enumerate(value):
            yield from flat(f"{path}[{index}]", item)
    else:
        yield path, value


def is_same(found: tuple[str, str], value: Any) -> bool:
    """Whether what Java has is what Python has."""
    kind, text = found
    if value is None:
        return kind == "null"
    if isinstance(value, bool):
        return kind == "java.lang.Boolean" and text == str(value).lower()
    if isinstance(value, float):
        given = float(text)
        given = struct.unpack("<f", struct.pack("<f", given))[0] if kind == "java.lang.Float" else given
        return repr(given) == repr(value)
    return bool(PARSED[type(value)](text) == value)
