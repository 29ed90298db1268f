"""Schemas that use each other's types, in the registry: registered as references, looked up, compared by meaning."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer

from bridge.encoding.avro.library import load_schema
from bridge.errors import IncompatibleSchema, SchemaUnregistered
from bridge.registry.client import RegistryClient
from bridge.settings import RegistrySettings, Settings


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": kind} for n, kind in fields.items()]}


CURRENCY = {"type": "enum", "name": "shop.Currency", "symbols": ["EUR", "CHF"]}
MONEY = record("shop.Money", amount="long", currency="Currency")
ORDER = record("shop.Order", total="Money", paid=["null", "shop.Money"])


class Files:
    """A directory of schemas, whose subjects have `unique` in front."""

    def __init__(self, directory: Path, unique: str, registry: str) -> None:
        self._directory, self._unique, self._registry = directory, unique, registry

    def write(self, **documents: Any) -> None:
        for name, document in documents.items():
            (self._directory / f"{self.subject(name)}.avsc").write_text(json.dumps(document))

    def subject(self, name: str) -> str:
        return f"{self._unique}.{name}"

    def schema_id(self, name: str, **more: object) -> int:
        """As a relay that has just started asks for it."""
        settings = Settings(registry=RegistrySettings(**({"url": self._registry} | more)))
        return RegistryClient(settings).schema_id(load_schema(self.subject(name), self._directory))


@pytest.fixture
def files(tmp_path: Path, unique: str, registry: str) -> Files:
    files = Files(tmp_path, unique, registry)
    files.write(order=ORDER, money=MONEY, currency=CURRENCY)
    return files


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry, "timeout": 30}) as client:
        yield client


Said = Callable[[str], list[tuple[str, str, int]]]


@pytest.fixture
def references(client: SchemaRegistryClient, files: Files) -> Said:
    def references(name: str) -> list[tuple[str, str, int]]:
        latest = client.get_latest_version(files.subject(name)).schema
        return [(one.name, one.subject, one.version) for one in latest.references or []]

    return references


def test_references_are_registered_with_name_subject_and_version(
    files: Files, client: SchemaRegistryClient, references: Said
) -> None:
    schema_id = files.schema_id("order")
    assert references("order") == [("shop.Money", files.subject("money"), 1)]
    assert references("money") == [("shop.Currency", files.subject("currency"), 1)]
    assert references("currency") == []
    assert json.loads(client.get_latest_version(files.subject("order")).schema.schema_str) == ORDER
    assert files.schema_id("order", register=False) == schema_id
    assert client.get_versions(files.subject("order")) == [1]


def test_a_type_that_changed_is_a_new_version_of_who_uses_it(
    files: Files, client: SchemaRegistryClient, references: Said
) -> None:
    first = files.schema_id("order")
    note = {"name": "note", "type": ["null", "string"], "default": None}
    files.write(money=MONEY | {"fields": [*MONEY["fields"], note]})
    assert files.schema_id("order") != first
    assert client.get_versions(files.subject("order")) == [1, 2]
    assert references("order") == [("shop.Money", files.subject("money"), 2)]


@pytest.mark.parametrize("level", ["BACKWARD", "FULL_TRANSITIVE"])
def test_a_change_of_a_used_type_is_judged_where_it_is_used(
    files: Files, client: SchemaRegistryClient, level: str
) -> None:
    """Apicurio's own check cannot read references; ours does."""
    files.schema_id("order", compatibility=level)
    client.set_compatibility(files.subject("money"), "NONE")
    files.write(money=record("shop.Money", amount="string", currency="Currency"))
    with pytest.raises(IncompatibleSchema, match=rf"order.*level {level}.*\$\.total\.amount"):
        files.schema_id("order", compatibility=level)
    assert client.get_versions(files.subject("order")) == [1]


def test_what_was_registered_in_one_piece_means_the_same(files: Files, client: SchemaRegistryClient) -> None:
    """Somebody may have put the definitions into one schema, or have called the references otherwise."""
    money = MONEY | {"fields": [MONEY["fields"][0], {"name": "currency", "type": CURRENCY}]}
    whole = ORDER | {"fields": [{"name": "total", "type": money}, ORDER["fields"][1]]}
    whole_id = client.register_schema(files.subject("order"), Schema(json.dumps(whole), "AVRO"))
    assert files.schema_id("order") == whole_id
    currency = client.register_schema(files.subject("currency"), Schema(json.dumps(CURRENCY | {"doc": "x"}), "AVRO"))
    assert files.schema_id("currency", register=False) == currency
    other = SchemaReference("currencies", files.subject("currency"), 1)
    text = json.dumps({"doc": "Elsewhere."} | MONEY)
    money_id = client.register_schema(files.subject("money2"), Schema(text, "AVRO", [other]))
    (files._directory / f"{files.subject('money')}.avsc").rename(files._directory / f"{files.subject('money2')}.avsc")
    assert files.schema_id("money2", register=False) == money_id


def test_a_type_that_is_not_registered_is_named(files: Files, client: SchemaRegistryClient) -> None:
    with pytest.raises(SchemaUnregistered, match=r"currency\.avsc.*`bridge schema apply`"):
        files.schema_id("order", register=False)
    assert not {files.subject(name) for name in ("order", "money", "currency")} & set(client.get_subjects())


def test_records_are_decoded_by_others(files: Files, client: SchemaRegistryClient) -> None:
    """By their schema in the registry, with its references."""
    schema = load_schema(files.subject("order"), files._directory)
    euro = {"amount": 7, "currency": "EUR"}
    value = (
        b"\0" + files.schema_id("order").to_bytes(4, "big") + schema.encode(json.dumps({"total": euro, "paid": None}))
    )
    assert AvroDeserializer(client)(value, None) == {"total": euro, "paid": None}
