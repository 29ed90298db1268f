"""Schema files that use each other's types: found by full name, in one directory, or refused with file and name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from bridge.encoding.avro.files import SchemaFiles
from bridge.encoding.avro.library import MAX_SCHEMA_BYTES, load_schema
from bridge.encoding.avro.names import defined_names, used_names, whole
from bridge.errors import ConfigError


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": kind} for n, kind in fields.items()]}


MONEY = record("shop.Money", amount="long", currency="shop.Currency")
CURRENCY = {"type": "enum", "name": "Currency", "namespace": "shop", "symbols": ["EUR", "CHF"]}
ORDER = record(
    "shop.Order",
    total="Money",
    paid=["null", "shop.Money"],
    lines={"type": "array", "items": record("Line", price="Money", more={"type": "map", "values": "Line"})},
)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**documents: Any) -> Path:
        for subject, document in documents.items():
            text = document if isinstance(document, str) else json.dumps(document, indent=2)
            (tmp_path / f"{subject}.avsc").write_text(text)
        return tmp_path

    return write


def test_references_are_resolved_across_files(write: Write) -> None:
    schema = load_schema("order", write(order=ORDER, money=MONEY, currency=CURRENCY))
    assert [(name, used.subject) for name, used in schema.references] == [("shop.Money", "money")]
    assert {name: used.subject for name, used in schema.used.items()} == {
        "shop.Money": "money",
        "shop.Currency": "currency",
    }
    assert json.loads(schema.text) == ORDER
    assert used_names(schema.whole) == ()
    assert defined_names(schema.whole) == {"shop.Order", "shop.Line", "shop.Money", "shop.Currency"}
    euro = {"amount": 7, "currency": "EUR"}
    payload = {"total": euro, "paid": None, "lines": [{"price": euro, "more": {}}]}
    encoded = schema.encode(json.dumps(payload))
    import io

    assert fastavro.schemaless_reader(io.BytesIO(encoded), fastavro.parse_schema(schema.whole), None) == payload


def test_a_type_of_no_namespace_can_be_used_by_another_of_none(write: Write) -> None:
    schema = load_schema("a", write(a=record("A", b="B", again="B"), b=record("B", n="int")))
    assert schema.encode('{"b": {"n": 1}, "again": {"n": 2}}') == b"\x02\x04"


def test_a_file_that_is_none_of_the_directory_is_not_read(tmp_path: Path) -> None:
    text = '{"type": "record", "name": "R", "fields": []}'
    outside, schemas = tmp_path / "secret", tmp_path / "schemas"
    outside.write_text(text)
    (schemas / "..2026").mkdir(parents=True)
    (schemas / "..2026" / "good.avsc").write_text(text)
    (schemas / "..data").symlink_to("..2026")
    (schemas / "good.avsc").symlink_to("..data/good.avsc")  # as Kubernetes mounts them
    (schemas / "bad.avsc").symlink_to(outside)
    os.mkfifo(schemas / "pipe.avsc")
    (schemas / "device.avsc").symlink_to("/dev/zero")
    (schemas / "folder.avsc").mkdir()
    (schemas / "long.avsc").write_text("[" * (MAX_SCHEMA_BYTES + 1))
    (schemas / "deep.avsc").write_text("[" * 400_000 + "]" * 400_000)
    (tmp_path / "link").symlink_to(schemas)
    assert load_schema("good", tmp_path / "link").document["name"] == "R"
    for subject in ("bad", "pipe", "device", "folder", "long", "deep", "../secret", "/etc/passwd", "..", ""):
        with pytest.raises(ConfigError) as refused:
            load_schema(subject, schemas)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 400


def test_what_a_file_defines_itself_is_its_own(write: Write) -> None:
    own = record("shop.Own", money=record("Money", cents="int"), more="Money")
    assert load_schema("own", write(own=own, money=MONEY, currency=CURRENCY)).references == ()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "order.avsc is not valid Avro: it uses the type shop.Money, which neither it defines nor another file in"),
        ({"money": MONEY}, "money.avsc is not valid Avro: it uses the type shop.Currency"),
        ({"money": "{"}, "order.avsc is not valid Avro: it uses the type shop.Money"),
        ({"money": MONEY, "money2": MONEY, "currency": CURRENCY}, "several files define: money.avsc, money2.avsc"),
        ({"money": record("shop.Money", of="Order")}, "circle: order.avsc uses money.avsc uses order.avsc"),
        (
            {"money": record("shop.Money", of="Cash"), "cash": record("shop.Cash", of="Money")},
            "circle: money.avsc uses cash.avsc uses money.avsc",
        ),
        (
            {"money": record("shop.Money", line=record("Line", n="int"))},
            "order.avsc uses money.avsc, and both order.avsc and money.avsc define the type shop.Line",
        ),
    ],
)
def test_missing_ambiguous_and_circular_references_are_refused_with_file_and_name(
    write: Write, files: dict[str, Any], said: str
) -> None:
    directory = write(order=ORDER, **files)
    with pytest.raises(ConfigError) as refused:
        load_schema("order", directory)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_used_is_read_again_when_it_was_mended(write: Write) -> None:
    directory = write(order=record("shop.Order", total="Money"), money=record("shop.Money", amount="long"))
    files = SchemaFiles(directory, ["order"])
    first = files.schema("order")
    assert files.schema("order") is first
    write(money=record("shop.Money", amount="string"))
    assert files.schema("order").encode('{"total": {"amount": "7"}}') == b"\x027"
    write(money="{")
    with pytest.raises(ConfigError, match=r"shop\.Money"):
        files.schema("order")
    (directory / "money.avsc").unlink()
    with pytest.raises(ConfigError, match=r"shop\.Money"):
        files.schema("order")
    write(cash=record("shop.Money", amount="int"))
    assert files.schema("order").encode('{"total": {"amount": 1}}') == b"\x02"


def test_definitions_are_put_where_they_are_used_first() -> None:
    document = record("a.A", b="b.B", c="b.C", d="a.A")
    definitions = {"b.B": record("b.B", c="C", own=record("D", n="int")), "b.C": record("b.C", n="int")}
    put = whole(document, definitions)
    fields = {field["name"]: field["type"] for field in put["fields"]}
    assert (fields["b"]["name"], fields["b"]["namespace"], fields["c"], fields["d"]) == ("B", "b", "b.C", "a.A")
    assert fields["b"]["fields"][0]["type"]["fields"] == [{"name": "n", "type": "int"}]
    assert document == record("a.A", b="b.B", c="b.C", d="a.A")
