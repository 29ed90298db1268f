"""What people are told about two versions of a schema."""

from __future__ import annotations

from typing import Any

import pytest
from schema_pairs import schema_pairs

from bridge.encoding.avro.differences import differences
from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.parsing import parse


def record(*fields: Any, name: str = "crm.Order", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(type_: Any, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "crm.State", "symbols": list(symbols), **more}


def told(old: Any, new: Any) -> list[str]:
    return [f"{one.path} {one.text}" for one in differences(parse(old), parse(new))]


FIXED = {"type": "fixed", "name": "crm.Hash", "size": 4}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
CASES = {
    "nothing": (field("int"), field({"type": "int"}), []),
    "type": (field("int"), field("long"), ["$.a was int, and is long"]),
    "null": (field("int"), field(["null", "int"]), ["$.a may be null now"]),
    "never null": (field(["null", "int"]), field("long"), ["$.a is never null now", "$.a was int, and is long"]),
    "branch": (field(["null", "int"]), field(["null", "int", "string"]), ["$.a may be string now"]),
    "branch gone": (field(["null", "int", "string"]), field(["null", "int"]), ["$.a is never string now"]),
    "branch changed": (field(["null", "int"]), field(["null", "long"]), ["$.a was int, and is long"]),
    "order of branches": (field(["null", "int"]), field(["int", "null"]), ["$.a has its branches in another order"]),
    "default": (field("int"), field("int", default=0), ["$.a had for a default none, and has 0"]),
    "null for a default": (
        field(["null", "int"]),
        field(["null", "int"], default=None),
        ["$.a had for a default none, and has null"],
    ),
    "logical type": (field("bytes"), field(PRICE), ["$.a was plain bytes, and is decimal(9, 2)"]),
    "scale": (field({**PRICE, "scale": 3}), field(PRICE), ["$.a was decimal(9, 3), and is decimal(9, 2)"]),
    "size": (field({**FIXED, "size": 8}), field(FIXED), ["$.a had 8 bytes, and has 4"]),
    "symbols": (
        field(enum("A", "B", "C")),
        field(enum("C", "B", "D")),
        ["$.a has the new symbol D", "$.a has no symbol A now", "$.a has its symbols in another order"],
    ),
    "an enum's default": (
        field(enum("A")),
        field(enum("A", default="A")),
        ["$.a for symbols that are not known had no default, and has the default A"],
    ),
    "documentation": (field("int"), field("int", doc="x"), ["$.a has other documentation"]),
    "sort order": (
        field("int"),
        field("int", order="ignore"),
        ["$.a was sorted ascending, and is sorted ignore"],
    ),
    "field renamed": (
        field("int"),
        field("int", "b", aliases=["a"]),
        ["$.b was called a, which is an alias now"],
    ),
    "field alias": (field("int"), field("int", aliases=["z"]), ["$.a had the aliases none, and has z"]),
    "another field": (
        field("int"),
        field("int", "b"),
        ["$.b is new: int, without a default", "$.a is gone: it was int"],
    ),
    "type renamed": (
        field(FIXED),
        field({**FIXED, "name": "crm.Sum", "aliases": ["Hash"]}),
        ["$.a was called crm.Hash, which is an alias now, and is called crm.Sum"],
    ),
    "array": (
        field({"type": "array", "items": "int"}),
        field({"type": "array", "items": "long"}),
        ["$.a[] was int, and is long"],
    ),
    "map": (
        field({"type": "map", "values": "int"}),
        field({"type": "map", "values": "long"}),
        ["$.a{} was int, and is long"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_a_change_is_told(old: Any, new: Any, expected: list[str]) -> None:
    assert told(record(old), record(new)) == expected


def test_order_of_fields() -> None:
    one, other = field("int", "a"), field("int", "b")
    assert told(record(one, other), record(other, one)) == ["$ has its fields in another order"]


def test_a_namespace_without_an_alias_is_told_with_what_it_breaks() -> None:
    (text,) = told(enum("A"), {**enum("A"), "name": "erp.State"})
    assert "Java readers may not find it" in text


def test_a_recursive_schema_ends() -> None:
    def tree(leaf: str) -> Any:
        return record(field(leaf, "x"), field({"type": "array", "items": "crm.Order"}, "all"))

    assert told(tree("int"), tree("long")) == ["$.x was int, and is long"]


@pytest.mark.parametrize("seed", range(10))
def test_what_counts_is_told_if_and_only_if_the_meaning_differs(seed: int) -> None:
    for old, new in schema_pairs(seed, 50):
        before, after = parse(old), parse(new)
        counted = [one for one in differences(before, after) if one.counts]
        assert bool(counted) == (meaning(before) != meaning(after)), (old, new, counted)
