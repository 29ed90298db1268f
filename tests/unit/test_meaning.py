"""What counts when two schemas are compared for what they mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.parsing import parse

PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
STATE = {"type": "enum", "name": "State", "symbols": ["A", "B"]}
ORDER: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "namespace": "crm",
    "fields": [
        {"name": "price", "type": PRICE},
        {"name": "state", "type": STATE, "default": "A", "aliases": ["x"]},
        {"name": "before", "type": ["null", "State"], "default": None},
        {"name": "rate", "type": "double", "default": 1},
        {"name": "next", "type": ["null", "Order"], "default": None},
    ],
}


def changed(number: int, **more: Any) -> dict[str, Any]:
    """ORDER with attributes of one field changed."""
    fields = [{**field, **more} if at == number else field for at, field in enumerate(ORDER["fields"])]
    return {**ORDER, "fields": fields}


SAME = {
    "white space": json.dumps(ORDER, indent=3),
    "order of attributes": json.dumps(ORDER, sort_keys=True),
    "a full name": json.dumps({**ORDER, "name": "crm.Order", "namespace": "ignored"}),
    "documentation": json.dumps({**changed(0, doc="what it costs"), "doc": "An order."}),
    "sort order": json.dumps(changed(0, order="descending")),
    "other attributes": json.dumps(changed(0, **{"connect.name": "x"})),
    "a primitive as an object": json.dumps(changed(3, type={"type": "double"})),
    "a default's spelling": json.dumps(ORDER).replace('"default": 1', '"default": 1.0'),
    "escapes": json.dumps(ORDER).replace('"price"', r'"\u0070rice"'),
    "a full reference": json.dumps(changed(4, type=["null", "crm.Order"])),
    "no aliases": json.dumps({**ORDER, "aliases": []}),
    "a scale of 0": json.dumps(changed(0, type={**PRICE, "scale": 2})),
}
OTHER = {
    "a field's name": changed(0, name="cost"),
    "order of fields": {**ORDER, "fields": ORDER["fields"][1:] + ORDER["fields"][:1]},
    "a namespace": {**ORDER, "namespace": "erp"},
    "a type": changed(3, type="float"),
    "order of branches": changed(4, type=["Order", "null"]),
    "scale": changed(0, type={**PRICE, "scale": 3}),
    "precision": changed(0, type={**PRICE, "precision": 10}),
    "no logical type": changed(0, type="bytes"),
    "order of symbols": changed(1, type={**STATE, "symbols": ["B", "A"]}),
}
FOR_READERS = {
    "a default": changed(3, default=2),
    "a default that is null": changed(2, default="A"),
    "an enum's default": changed(1, type={**STATE, "default": "A"}),
    "a field's alias": changed(0, aliases=["cost"]),
    "no default": {**ORDER, "fields": [*ORDER["fields"][:4], {"name": "next", "type": ["null", "Order"]}]},
    "a type's alias": {**ORDER, "aliases": ["Purchase"]},
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_what_does_not_count(text: str) -> None:
    assert meaning(parse(json.loads(text))) == meaning(parse(ORDER))


@pytest.mark.parametrize("document", OTHER.values(), ids=OTHER)
def test_what_counts(document: Any) -> None:
    assert meaning(parse(document)) != meaning(parse(ORDER))
    assert meaning(parse(document), for_readers=False) != meaning(parse(ORDER), for_readers=False)


@pytest.mark.parametrize("document", FOR_READERS.values(), ids=FOR_READERS)
def test_what_counts_for_readers_alone(document: Any) -> None:
    assert meaning(parse(document)) != meaning(parse(ORDER))
    assert meaning(parse(document), for_readers=False) == meaning(parse(ORDER), for_readers=False)
