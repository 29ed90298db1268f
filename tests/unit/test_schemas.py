"""schemas/: each route has its file and each file its route; names, documentation and defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest

from bridge.configuration.load import load
from bridge.demo.run import shipped_configuration
from bridge.resources import resource

ROUTES = load(shipped_configuration(), {}).routes
FILES = {file.name.removesuffix(".avsc"): file for file in resource("schemas").iterdir() if file.name.endswith(".avsc")}
DOCUMENTS: dict[str, Any] = {subject: json.loads(file.read_text("utf-8")) for subject, file in FILES.items()}
SUBJECTS = sorted(FILES)


def records(schema: Any) -> Iterator[dict[str, Any]]:
    """The record and those within it."""
    if isinstance(schema, list):
        for branch in schema:
            yield from records(branch)
    elif isinstance(schema, dict):
        if schema.get("type") == "record":
            yield schema
        for part in [schema.get("items"), schema.get("values"), *schema.get("fields", [])]:
            yield from records(part)
        if isinstance(schema["type"], dict | list):
            yield from records(schema["type"])


def test_each_route_has_a_schema_and_each_schema_a_route() -> None:
    of_nobodys_route = ["bridge.transactions-bridge.TransactionEnded"]  # the demonstration has no such events
    assert sorted([*(route.subject for route in ROUTES), *of_nobodys_route]) == SUBJECTS
    assert len({route.event_type for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.event_type)
def test_a_subject_is_the_topic_and_the_records_full_name(route: Any) -> None:
    document = DOCUMENTS[route.subject]
    assert route.subject == f"{route.topic}-{document['namespace']}.{document['name']}"
    assert document["namespace"] == ("bridge" if route.topic.startswith("bridge.") else "crm")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_records_and_fields_are_documented_and_nullable_ones_default_to_null(subject: str) -> None:
    fastavro.parse_schema(DOCUMENTS[subject])
    for record in records(DOCUMENTS[subject]):
        assert record["doc"].endswith(".")
        for field in record["fields"]:
            assert field["doc"].endswith("."), field["name"]
            is_nullable = isinstance(field["type"], list)
            assert not is_nullable or field["type"][0] == "null"
            assert ("default" in field) == is_nullable
            assert field.get("default") is None


@pytest.mark.parametrize("subject", SUBJECTS)
def test_ids_and_times_have_logical_types(subject: str) -> None:
    for field in DOCUMENTS[subject]["fields"]:
        kind = field["type"][1] if isinstance(field["type"], list) else field["type"]
        if field["name"].endswith("_at"):
            assert kind == {"type": "long", "logicalType": "timestamp-micros"}
        is_text_key = subject.endswith("EntityChanged") and field["name"] == "entity_id"
        if (field["name"] == "id" or field["name"].endswith("_id")) and not is_text_key:
            assert kind == {"type": "string", "logicalType": "uuid"}


@pytest.mark.parametrize("kind", ["Contact", "Address", "Opportunity", "Territory"])
def test_updated_is_created_and_the_changed_fields(kind: str) -> None:
    topic = f"crm.{kind.lower()}"
    created, updated = (DOCUMENTS[f"{topic}-crm.{kind}{what}"]["fields"] for what in ("Created", "Updated"))
    assert [field["name"] for field in updated] == [*(field["name"] for field in created), "changed_fields"]
    assert updated[: len(created)] == created
