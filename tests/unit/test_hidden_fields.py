"""What a route hides is compared with its schema: a mistyped name would hide nothing, in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.admin.config import all_mistakes
from bridge.admin.schema_check import check_schemas
from bridge.admin.schema_former import FormerFiles
from bridge.configuration.load import read
from bridge.encoding.avro.library import SchemaDirectory

OWN = {
    "type": "record",
    "name": "Paid",
    "fields": [
        {"name": "iban", "type": "string"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "amount", "type": ["null", "long"], "default": None},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a"]}},
    ],
}
ROW = {
    "type": "record",
    "name": "Row",
    "namespace": "public.orders",
    "fields": [
        {"name": "id", "type": ["null", "long"], "default": None},
        {"name": "card_no", "type": ["null", "string"], "default": None, "bridge": {"column": "card no"}},
        {"name": "rest", "type": ["null", {"type": "string", "bridge": {"form": "json"}}], "default": None},
        {"name": "tags", "type": ["null", {"type": "array", "items": ["null", "string"]}], "default": None},
        {"name": "ratio", "type": ["null", "double"], "default": None},
    ],
}
CHANGE = {
    "type": "record",
    "name": "orders",
    "namespace": "public",
    "bridge": {"form": "change", "table": "orders"},
    "fields": [
        {"name": "after", "type": ["null", ROW], "default": None},
        {"name": "action", "type": "string"},
    ],
}


def found(tmp_path: Path, rule: str, hides: str, schema: dict[str, Any]) -> list[str]:
    """What `config check` and `schema check` say about a route, alike."""
    (tmp_path / "s.avsc").write_text(json.dumps(schema))
    config = tmp_path / "bridge.toml"
    config.write_text(f'schemas = "."\n[[routes]]\n{rule}\ntopic = "t"\nsubject = "s"\n{hides}\n')
    configuration = read(config, {})
    assert configuration.mistakes == ()
    told = all_mistakes(configuration)
    assert {mistake.origin.line for mistake in told} <= {6}
    report = check_schemas(configuration, FormerFiles(SchemaDirectory(tmp_path), "before"), None)
    assert [one.message for one in report.mistakes] == [mistake.message for mistake in told]
    assert report.exit_code == (4 if told else 0)
    return [str(mistake) for mistake in told]


@pytest.mark.parametrize(
    ("hides", "says"),
    [
        ('mask = ["iban", "note"]', None),
        ('drop = ["note", "nothing_of_it"]', None),
        ('mask = ["ibna"]', "mask names 'ibna', which s.avsc does not have. Did you mean 'iban'?"),
        ('mask = ["customer.name"]', "does not have. Correct it, or name it in drop"),
        ('mask = ["day"]', "mask names 'day', which is no text in s.avsc"),
        ('mask = ["amount"]', "'amount', which is no text"),
        ('mask = ["kind"]', "'kind', which is no text"),
        ('drop = ["iban"]', "drop names 'iban', which has no default in s.avsc"),
    ],
)
def test_of_payloads(tmp_path: Path, hides: str, says: str | None) -> None:
    told = found(tmp_path, 'event_type = "paid"', hides, OWN)
    assert len(told) == (says is not None)
    assert (says or "") in "".join(told)


@pytest.mark.parametrize(
    ("hides", "says"),
    [
        ('mask = ["card no", "rest"]', None),
        ('drop = ["card no", "id", "gone"]', None),
        ('mask = ["card_no"]', "mask names 'card_no', which s.avsc does not have. Did you mean 'card no'?"),
        ('mask = ["id"]', "'id', which is no text"),
        ('mask = ["tags"]', "'tags', which is no text"),
        ('mask = ["ratio"]', "'ratio', which is no text"),
    ],
)
def test_of_columns(tmp_path: Path, hides: str, says: str | None) -> None:
    told = found(tmp_path, 'table = "orders"', hides, CHANGE)
    assert len(told) == (says is not None)
    assert (says or "") in "".join(told)


@pytest.mark.parametrize("encoding", ["json", "avro"])
def test_where_no_schema_tells_the_names_none_is_wrong(tmp_path: Path, encoding: str) -> None:
    config = tmp_path / "bridge.toml"
    route = '[[routes]]\ntable = "t"\ntopic = "t"\nmask = ["whatever"]\n'
    more = 'subject = "bridge.entity_events-bridge.EntityChanged"\n' if encoding == "avro" else ""
    config.write_text(f'{route}encoding = "{encoding}"\n{more}')
    assert all_mistakes(read(config, {})) == ()
