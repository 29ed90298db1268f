"""Each rule of Avro's schema resolution, by its name; and what each level asks."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest
from schema_pairs import schema_pairs

from bridge.encoding.avro.attributes import InvalidSchema
from bridge.encoding.avro.compatibility import check, problems
from bridge.encoding.avro.differences import differences
from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.nodes import Schema
from bridge.encoding.avro.parsing import MAX_SCHEMA_DEPTH, parse
from bridge.encoding.avro.problem import TEXTS, Problem, Rule


def field(name: str, type_: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, **more}


def record(*fields: dict[str, Any], name: str = "crm.Order", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def enum(*symbols: str, name: str = "crm.State", **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def fixed(size: int, name: str = "crm.Hash", **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size, **more}


def decimal(precision: int, scale: int, **more: Any) -> dict[str, Any]:
    return {"type": "bytes", **more, "logicalType": "decimal", "precision": precision, "scale": scale}


def timestamp(name: str) -> dict[str, Any]:
    return {"type": "long", "logicalType": name}


def found(reader: Any, writer: Any) -> list[tuple[str, str]]:
    """Rule and path of each problem; in each, both schemas are named, and a way out."""
    all_ = problems(parse(reader, "the reader's"), parse(writer, "the writer's"))
    assert all(one.mend and "the reader's" in one.message and "the writer's" in one.message for one in all_)
    return [(str(one.rule), one.path) for one in all_]


def in_record(type_: Any) -> dict[str, Any]:
    return record(field("a", type_))


# type-mismatch, null-not-read: promotion


PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
PROMOTED = {("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double")}
PROMOTED |= {("float", "double"), ("string", "bytes"), ("bytes", "string")}


@pytest.mark.parametrize("writer", PRIMITIVES)
@pytest.mark.parametrize("reader", PRIMITIVES)
def test_a_primitive_is_read_as_itself_or_what_it_is_promoted_to(reader: str, writer: str) -> None:
    is_readable = reader == writer or (writer, reader) in PROMOTED
    rule = "null-not-read" if writer == "null" else "type-mismatch"
    assert found(in_record(reader), in_record(writer)) == ([] if is_readable else [(rule, "$.a")])


@pytest.mark.parametrize("complex_", [{"type": "array", "items": "int"}, {"type": "map", "values": "int"}, enum("A")])
def test_type_mismatch_between_kinds(complex_: Any) -> None:
    assert found("string", complex_) == [("type-mismatch", "$")]
    assert found(complex_, "string") == [("type-mismatch", "$")]


def test_a_path_leads_into_arrays_maps_and_records() -> None:
    def nested(leaf: str) -> Any:
        items = {"type": "array", "items": record(field("price", {"type": "map", "values": leaf}), name="Item")}
        return record(field("items", items))

    assert found(nested("int"), nested("string")) == [("type-mismatch", "$.items[].price{}")]


def test_null_not_read_where_the_writer_may_write_it() -> None:
    assert found(in_record("int"), in_record(["null", "int"])) == [("null-not-read", "$.a<null>")]
    assert found(in_record(["null", "int"]), in_record("int")) == []


# name-mismatch: without namespaces, with the reader's aliases


@pytest.mark.parametrize("make", [lambda **names: record(**names), lambda **names: enum("A", **names), None])
def test_name_mismatch(make: Any) -> None:
    make = make or (lambda **names: fixed(2, **names))
    assert found(make(name="crm.A"), make(name="crm.B")) == [("name-mismatch", "$")]
    assert found(make(name="crm.A"), make(name="erp.A")) == []
    assert found(make(name="crm.A", aliases=["B"]), make(name="crm.B")) == []
    assert found(make(name="crm.A", aliases=["erp.B"]), make(name="erp.B")) == []
    assert found(make(name="crm.A"), make(name="crm.B", aliases=["A"])) == [("name-mismatch", "$")]


def test_an_alias_is_of_its_types_namespace_and_renames_nothing_elsewhere() -> None:
    assert found(record(name="crm.A", aliases=["B"]), record(name="erp.B")) == [("name-mismatch", "$")]


def test_a_writers_type_is_renamed_wherever_it_stands() -> None:
    """So a type that an alias calls `Address` is that type everywhere, and no other of that short name."""
    reader = record(field("a", record(name="crm.Place", aliases=["Address"])), field("b", record(name="erp.Address")))
    writer = record(field("a", record(name="crm.Address")), field("b", "crm.Address"))
    assert found(reader, writer) == [("name-mismatch", "$.b")]


# fixed-size, enum-symbol-missing


def test_fixed_size() -> None:
    assert found(in_record(fixed(4)), in_record(fixed(8))) == [("fixed-size", "$.a")]


def test_enum_symbol_missing() -> None:
    assert found(enum("A"), enum("A", "B")) == [("enum-symbol-missing", "$")]
    assert found(enum("A", "B"), enum("B", "A")) == []
    assert found(enum("A", default="A"), enum("A", "B")) == []
    assert found(enum("A"), enum("A", "B", default="A")) == [("enum-symbol-missing", "$")]


def test_a_fields_default_is_none_of_an_enums() -> None:
    reader = record(field("a", enum("A"), default="A"))
    assert found(reader, in_record(enum("A", "B"))) == [("enum-symbol-missing", "$.a")]


# reader-field-missing-default, reader-field-invalid-default


def test_reader_field_missing_default() -> None:
    assert found(record(field("a", "int"), field("b", "int")), in_record("int")) == [
        ("reader-field-missing-default", "$.b")
    ]
    assert found(record(field("b", ["null", "int"])), record()) == [("reader-field-missing-default", "$.b")]
    assert found(record(field("b", "int", default=0)), record()) == []
    assert found(record(field("b", ["null", "int"], default=None)), record()) == []
    assert found(record(field("b", enum("A", default="A"))), record()) == [("reader-field-missing-default", "$.b")]


def test_a_field_that_the_reader_does_not_have_is_skipped_and_order_does_not_matter() -> None:
    assert found(record(), in_record("int")) == []
    both = [field("a", "int"), field("b", "string")]
    assert found(record(*both), record(*reversed(both))) == []


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        ("int", "1"),
        ("int", 2**31),
        ("int", True),
        ("boolean", 0),
        ("string", None),
        ("bytes", "\u0100"),
        (fixed(2), "abc"),
        (enum("A"), "B"),
        ({"type": "array", "items": "int"}, ["a"]),
        ({"type": "map", "values": "int"}, {"k": None}),
        (record(field("x", "int"), name="In"), {}),
        (["null", "int"], "a"),
    ],
)
def test_reader_field_invalid_default(type_: Any, default: Any) -> None:
    assert found(record(field("b", type_, default=default)), record()) == [("reader-field-invalid-default", "$.b")]
    assert found(record(field("b", type_, default=default)), record(field("b", type_))) == []


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        ("long", 2**63 - 1),
        ("double", 1),
        ("bytes", "\u00ff"),
        (fixed(2), "ab"),
        ({"type": "map", "values": ["null", "int"]}, {"k": None, "l": 1}),
        (record(field("x", "int", default=1), name="In"), {}),
        (["null", "int"], 1),
    ],
)
def test_a_default_that_fits(type_: Any, default: Any) -> None:
    assert found(record(field("b", type_, default=default)), record()) == []


# union-branch-missing


def test_union_branch_missing() -> None:
    assert found(in_record(["null", "int"]), in_record(["null", "int", "string"])) == [
        ("union-branch-missing", "$.a<string>")
    ]
    assert found(in_record(["null", "int"]), in_record("string")) == [("union-branch-missing", "$.a")]
    assert found([], "int") == [("union-branch-missing", "$")]
    assert found("int", []) == []


def test_a_union_reads_what_one_branch_is_promoted_from() -> None:
    assert found(["null", "double"], ["int", "float"]) == []
    assert found("double", ["int", "float"]) == []
    assert found(["string"], "bytes") == []


def test_a_unions_branch_is_chosen_by_its_full_name_before_the_short_one() -> None:
    """What Avro's Java code takes to be compatible, because another branch would do; its reader takes this one."""
    reader = [record(field("x", "int"), name="crm.A"), record(name="erp.A")]
    assert found(reader, record(name="erp.A")) == []
    assert found(reader, record(name="crm.A")) == [("reader-field-missing-default", "$.x")]
    assert found(reader, record(name="elsewhere.A")) == [("reader-field-missing-default", "$.x")]


def test_a_unions_branch_is_found_by_alias() -> None:
    assert found(["null", record(name="crm.A", aliases=["B"])], ["null", record(name="crm.B")]) == []


# decimal-scale, decimal-precision, logical-type


@pytest.mark.parametrize("make", [decimal, lambda *digits: {**fixed(8), **decimal(*digits, type="fixed")}])
def test_decimal_scale_and_decimal_precision(make: Any) -> None:
    assert found(in_record(make(10, 2)), in_record(make(10, 4))) == [("decimal-scale", "$.a")]
    assert found(in_record(make(10, 2)), in_record(make(12, 2))) == [("decimal-precision", "$.a")]
    assert found(in_record(make(12, 2)), in_record(make(10, 2))) == []
    assert found(in_record(make(10, 2)), in_record(make(10, 2))) == []


def test_a_scale_that_is_not_given_is_0() -> None:
    without = {"type": "bytes", "logicalType": "decimal", "precision": 4}
    assert found(record(field("a", without), field("b", "int", default=0)), in_record(decimal(4, 0))) == []


def test_logical_type() -> None:
    millis, micros = timestamp("timestamp-millis"), timestamp("timestamp-micros")
    assert found(in_record(millis), in_record(micros)) == [("logical-type", "$.a")]
    assert found(in_record(timestamp("local-timestamp-micros")), in_record(micros)) == [("logical-type", "$.a")]
    assert found(in_record(millis), in_record({"type": "int", "logicalType": "date"})) == [("logical-type", "$.a")]
    assert found(["null", millis], ["null", micros]) == [("logical-type", "$")]


@pytest.mark.parametrize("other", ["long", timestamp("unheard-of"), timestamp("date"), "double"])
def test_a_logical_type_on_one_side_is_ignored(other: Any) -> None:
    assert found(in_record(other), in_record(timestamp("timestamp-micros"))) == []
    if other != "double":
        assert found(in_record(timestamp("timestamp-micros")), in_record(other)) == []


# field-alias-ambiguous, type-alias-ambiguous


def test_a_field_is_found_by_the_readers_alias() -> None:
    assert found(record(field("b", "int", aliases=["a"])), in_record("int")) == []
    assert found(record(field("b", "int", aliases=["a"])), in_record("string")) == [("type-mismatch", "$.b")]
    assert found(record(field("b", "int")), record(field("a", "int", aliases=["b"]))) == [
        ("reader-field-missing-default", "$.b")
    ]


def test_field_alias_ambiguous_where_the_writer_has_both() -> None:
    reader = record(field("b", "int", aliases=["a"]))
    assert found(reader, record(field("a", "int"), field("b", "int"))) == [("field-alias-ambiguous", "$.b")]


def test_field_alias_ambiguous_where_two_fields_want_the_same() -> None:
    reader = record(field("a", "int", default=0), field("b", "int", aliases=["a"], default=0))
    assert [rule for rule, _ in found(reader, in_record("int"))] == ["field-alias-ambiguous"] * 2
    assert found(reader, record(field("b", "int"))) == []


def test_type_alias_ambiguous() -> None:
    reader = record(
        field("a", record(name="Billing", aliases=["Address"])),
        field("b", record(name="Shipping", aliases=["Address"])),
    )
    writer = record(field("a", record(name="Address")), field("b", "Address"))
    assert found(reader, writer) == [("type-alias-ambiguous", "$.a"), ("type-alias-ambiguous", "$.b")]


def test_a_schema_reads_itself_however_ambiguous() -> None:
    strange = record(field("a", "int", aliases=["b"]), field("b", "int", aliases=["a"]))
    assert found(strange, strange) == []


# recursion, and what is written to hurt


def tree(leaf: str, name: str = "Tree") -> dict[str, Any]:
    return record(field("value", leaf), field("children", {"type": "array", "items": name}), name=name)


def test_a_recursive_schema_ends_and_is_compared_whole() -> None:
    assert found(tree("long"), tree("int")) == []
    assert found(tree("int"), tree("long")) == [("type-mismatch", "$.value")]


def recursive_union(leaf: str, count: int = 200) -> list[Any]:
    """Records each of which may hold any: tried branch by branch, there are more ways through than time."""
    names = [f"n.R{number}" for number in range(count)]
    wrapped = [record(field("x", {"type": "array", "items": "n.R0"}), field("leaf", leaf), name="n.R0")]
    wrapped += [record(field("x", names[:number]), name=names[number]) for number in range(1, count)]
    return wrapped


def test_a_recursive_union_is_compared_once_a_pair() -> None:
    assert found(recursive_union("long"), recursive_union("int")) == []
    assert len(found(recursive_union("int"), recursive_union("long"))) == 1


def test_too_large() -> None:
    """Types that meet in as many pairs as there are of them, squared: one side goes down by one, the other by two."""

    def chains(space: str, by: int) -> Any:
        types = [record(name=f"{space}{number}.A") for number in range(by)]
        for number in range(by, 700):
            below = field("x", ["null", f"{space}{number - by}.A"], default=None)
            types.append(record(below, name=f"{space}{number}.A"))
        return [*types, record(*(field(f"f{number}", f"{space}{number}.A") for number in range(2, 700)), name="All")]

    assert found(chains("r", 1), chains("w", 1)) == []
    assert [rule for rule, _ in found(chains("r", 1), chains("w", 2))] == ["too-large"]


def test_long_names_do_not_fill_the_memory() -> None:
    name = "crm." + "A" * 100_000
    reader = record(*(field(f"f{number}", enum("X", name=name) if not number else name) for number in range(900)))
    writer = record(*(field(f"f{number}", "int") for number in range(900)))
    told = problems(parse(reader, "the reader"), parse(writer, "the writer"))
    assert len(told) == 900
    assert all(len(one.message) < 1000 for one in told)
    assert all(len(one.text) < 1000 for one in differences(parse(writer), parse(reader)))


@pytest.mark.parametrize("bad", ["schema", 1, None, {}, {"type": 1}, {"type": "record", "name": "A"}, [["int"]]])
def test_what_is_no_schema_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidSchema):
        parse(bad)


@pytest.mark.parametrize(
    "bad",
    [
        record(field("a", "int"), field("a", "int")),
        record(field("a", fixed(1)), field("b", fixed(1))),
        ["int", "int"],
        enum("A", "A"),
        enum("A", default="B"),
        fixed(-1),
        {"type": "fixed", "name": "F", "size": True},
        {"type": "array"},
        record({"name": "a"}),
        record(field("a", "int", aliases=[1])),
        {**record(), "namespace": 1},
        {**record(), "name": ""},
    ],
)
def test_an_invalid_schema_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidSchema):
        parse(bad)


@pytest.mark.parametrize("depth", [MAX_SCHEMA_DEPTH - 10, MAX_SCHEMA_DEPTH + 10, 100_000])
def test_a_deep_schema_is_compared_or_refused(depth: int) -> None:
    one: Any = "int"
    other: Any = "long"
    for _ in range(depth):
        one, other = ({"type": "array", "items": inner} for inner in (one, other))
    if depth < MAX_SCHEMA_DEPTH:
        assert problems(parse(one), parse(other)) != ()
    else:
        with pytest.raises(InvalidSchema, match="deep"):
            parse(one)


def test_a_long_chain_of_types_is_no_recursion_of_ours() -> None:
    def chain(leaf: str) -> Any:
        types = [record(field("x", leaf), name="R0")]
        types += [record(field("x", f"R{number}"), name=f"R{number + 1}") for number in range(5000)]
        return types

    assert found(chain("long"), chain("int")) == []
    assert len(found(chain("int"), chain("long"))) == 1


def test_a_default_within_recursive_unions_is_looked_at_once() -> None:
    """Two branches at each level would be as many ways as two to the power of the levels."""
    twins = [record(field("x", ["null", "A", "B"]), name="B")]
    union = ["null", record(field("x", ["null", "A", *twins]), name="A")]
    value: Any = 1
    for _ in range(50):
        value = {"x": value}
    reader = record(field("a", union, default=value))
    assert found(reader, record()) == [("reader-field-invalid-default", "$.a")]


# levels


V1 = parse(in_record("int"), "version 1")
V2 = parse(record(field("a", "int"), field("b", "int", default=0)), "version 2")
V3 = parse(record(field("b", "int", default=0)), "version 3")
V4 = parse(record(field("b", "int", default=0), field("c", "int")), "version 4")


def rules(new: Schema, former: list[Schema], level: str) -> list[str]:
    return [f"{one.rule} {one.path}" for one in check(new, former, level)]


def test_backward_is_that_the_new_reads_the_last() -> None:
    assert rules(V3, [V1, V2], "BACKWARD") == []
    assert rules(V4, [V1, V2, V3], "BACKWARD") == ["reader-field-missing-default $.c"]


def test_forward_is_that_the_last_reads_the_new() -> None:
    assert rules(V4, [V1, V2, V3], "FORWARD") == []
    assert rules(V3, [V1, V2], "FORWARD") == ["reader-field-missing-default $.a"]


def test_full_is_both_ways() -> None:
    assert rules(V2, [V1], "FULL") == []
    both = parse(record(field("z", "int")))
    assert rules(both, [V1], "FULL") == ["reader-field-missing-default $.z", "reader-field-missing-default $.a"]


def test_transitive_is_every_former_version() -> None:
    wide = parse(record(field("a", "long")), "version 5")
    assert rules(parse(in_record("int")), [V1, wide, V3], "BACKWARD") == ["reader-field-missing-default $.a"]
    assert rules(V1, [wide, V1], "BACKWARD") == []
    assert rules(V1, [wide, V1], "BACKWARD_TRANSITIVE") == ["type-mismatch $.a"]
    assert rules(wide, [V1, wide], "FORWARD") == []
    assert rules(wide, [V1, wide], "FORWARD_TRANSITIVE") == ["type-mismatch $.a"]
    assert rules(wide, [V1, wide], "FULL_TRANSITIVE") == ["type-mismatch $.a"]


def test_none_asks_nothing_and_a_first_version_has_nothing_to_break() -> None:
    assert rules(V4, [V1], "NONE") == []
    assert all(rules(V4, [], f"{level}{more}") == [] for level in ("BACKWARD", "FULL") for more in ("", "_TRANSITIVE"))


def a(type_: Any, **more: Any) -> dict[str, Any]:
    return record(field("a", type_, **more))


WITH_B = record(field("a", "int"), field("b", "int"))
WITH_DEFAULT = record(field("a", "int"), field("b", "int", default=0))
CHANGES = {  # docs/compatibility.md has this table: the former version, the new one, BACKWARD, FORWARD
    "a field with a default is added": (a("int"), WITH_DEFAULT, True, True),
    "a field with a default goes": (WITH_DEFAULT, a("int"), True, True),
    "a field without a default is added": (a("int"), WITH_B, False, True),
    "a field without a default goes": (WITH_B, a("int"), True, False),
    "a field is renamed": (a("int"), record(field("c", "int", aliases=["a"])), True, False),
    "a field with a default is renamed": (a("int", default=0), record(field("c", "int", aliases=["a"])), True, True),
    "a promotion": (a("int"), a("long"), True, False),
    "string to bytes": (a("string"), a("bytes"), True, True),
    "a type to a union with it": (a("int"), a(["null", "int"]), True, False),
    "a branch is added": (a(["null", "int"]), a(["null", "int", "string"]), True, False),
    "a symbol is added": (a(enum("A")), a(enum("A", "B")), True, False),
    "a symbol is added to an enum with a default": (a(enum("A", default="A")), a(enum("A", "B")), True, True),
    "a symbol goes": (a(enum("A", "B")), a(enum("A")), False, True),
    "a symbol goes from an enum with a default": (a(enum("A", "B")), a(enum("A", default="A")), True, True),
    "order of fields": (WITH_B, record(*WITH_B["fields"][::-1]), True, True),
    "order of branches": (a(["null", "int"]), a(["int", "null"]), True, True),
    "order of symbols": (a(enum("A", "B")), a(enum("B", "A")), True, True),
    "a namespace": (record(name="crm.Order"), record(name="erp.Order"), True, True),
    "a scale": (a(decimal(9, 2)), a(decimal(9, 3)), False, False),
    "a larger precision": (a(decimal(9, 2)), a(decimal(10, 2)), True, False),
    "a smaller precision": (a(decimal(10, 2)), a(decimal(9, 2)), False, True),
    "a unit": (a(timestamp("timestamp-millis")), a(timestamp("timestamp-micros")), False, False),
    "a logical type more": (a("long"), a(timestamp("timestamp-micros")), True, True),
    "a logical type less": (a(timestamp("timestamp-micros")), a("long"), True, True),
}


@pytest.mark.parametrize(("former", "new", "backward", "forward"), CHANGES.values(), ids=CHANGES)
def test_what_may_change(former: Any, new: Any, backward: bool, forward: bool) -> None:
    versions = parse(new), [parse(former)]
    assert (not check(*versions, "BACKWARD"), not check(*versions, "FORWARD")) == (backward, forward)


@pytest.mark.parametrize("level", ["", "backward", "NONE_TRANSITIVE", "_TRANSITIVE"])
def test_another_level_is_refused(level: str) -> None:
    with pytest.raises(ValueError, match="no compatibility level"):
        check(V1, [V1], level)


# what is said


def test_a_message_names_schemas_field_and_way_out() -> None:
    (one,) = check(V4, [V3], "BACKWARD")
    assert one == Problem(
        "$.c",
        Rule.READER_FIELD_MISSING_DEFAULT,
        "version 4 has the field c without a default, and version 3 does not write it",
        "Give the field a default",
    )


def test_the_mend_is_of_the_schema_that_is_new() -> None:
    (one,) = check(V3, [V2], "FORWARD")
    assert one.message == "version 2 has the field a without a default, and version 3 does not write it"
    assert one.mend.startswith("Keep the field")


def test_each_rule_has_its_texts() -> None:
    assert set(TEXTS) == set(Rule)


GARBAGE = (None, True, -1, 1.5, "", "x", "int", [], [[]], {}, {"type": []}, {"type": "fixed"}, ["null"] * 2, "\ud800")


def spoiled(document: Any, random: Random) -> Any:
    """The document with one part of it replaced."""
    if not isinstance(document, dict | list) or not document or random.random() < 0.2:
        return random.choice(GARBAGE)
    copied = copy.copy(document)
    at = random.choice(list(copied) if isinstance(copied, dict) else range(len(copied)))
    copied[at] = spoiled(copied[at], random)
    return copied


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_in_a_document_it_is_judged_or_refused(seed: int) -> None:
    random, judged = Random(seed), 0
    for one, other in schema_pairs(seed, 200):
        try:
            pair = [parse(spoiled(one, random)), parse(other)]
        except InvalidSchema:
            continue
        judged += 1
        check(pair[0], pair[1:], "FULL")
        differences(pair[1], pair[0])
        meaning(pair[0])
    assert 0 < judged < 200
