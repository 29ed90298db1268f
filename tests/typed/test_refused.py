"""What a typed record cannot hold is refused, with its place and without its value; as text it can be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.admin.generate import generate
from bridge.admin.typed_schema import Wishes
from bridge.encoding.change import ChangeSchema
from bridge.errors import ConfigError, EncodingError
from typed.scene import Db, decoded, payloads, schema_of

SPELLED = {"type": "string", "bridge": {"form": "json"}}
REFUSED = {
    "at timestamptz": ("'infinity'", "'-infinity'", "'0044-03-15 12:00:00+00 BC'", "'10000-01-01 00:00:00+00'"),
    "local_at timestamp": ("'infinity'", "'0044-03-15 BC'"),
    "day date": ("'infinity'", "'0044-03-15 BC'", "'5874897-12-31'"),
    "clock time": ("'24:00:00'",),
    "amount numeric(10, 2)": ("'NaN'",),
    "numbers int[]": ("'{{1,2},{3,4}}'",),
    "grid int[][]": ("'{1,2}'",),
    "times timestamptz[]": ("'{2026-01-01,infinity}'",),
    "amounts numeric(5,1)[]": ("'{1.5,NaN}'",),
}
TEXTS = {"at timestamptz": "infinity", "amount numeric(10, 2)": "NaN", "numbers int[]": "[[1, 2], [3, 4]]"}


@pytest.mark.parametrize("column", REFUSED)
def test_what_does_not_fit_is_refused_with_its_place(db: Db, column: str) -> None:
    name = column.split()[0]
    db.execute(f"create table public.odd (id int primary key, {column})".encode())
    db.execute("select bridge.enable_tracking('public.odd')")
    schema, text = schema_of(db, "public.odd"), schema_of(db, "public.odd", Wishes(text=[name]))
    for key, value in enumerate(REFUSED[column]):
        db.execute(f"insert into public.odd values ({key}, {value})".encode())
    for payload, value in zip(payloads(db, "odd"), REFUSED[column], strict=True):
        with pytest.raises(EncodingError, match=rf"\$\.new_state\.{name}") as refused:
            schema.encode(payload)
        assert value.strip("'{}") not in str(refused.value)
        assert f"; bridge schema generate follows an altered column, and with --text {name} " in str(refused.value)
        spelled = decoded(text, text.encode(payload))["after"][name]
        assert spelled == TEXTS[column] or value != REFUSED[column][0] if column in TEXTS else spelled


def test_a_table_that_was_altered_since_is_refused_only_where_something_would_be_lost(db: Db) -> None:
    db.execute("create table public.odd (id int primary key, amount numeric(10, 2), gone text)")
    db.execute("select bridge.enable_tracking('public.odd')")
    schema = schema_of(db, "public.odd")
    db.execute("alter table public.odd add column more int, drop column gone, alter amount type numeric(12, 4)")
    db.execute("insert into public.odd values (1, 1.5, null), (2, 1.0001, null), (3, null, 7)")
    fits, too_fine, unknown = payloads(db, "odd")
    after = decoded(schema, schema.encode(fits))["after"]
    assert (str(after["amount"]), after["gone"], set(after)) == ("1.50", None, {"id", "amount", "gone"})
    with pytest.raises(EncodingError, match=r"\$\.new_state\.amount: expected a decimal of at most 10 digits"):
        schema.encode(too_fine)
    with pytest.raises(EncodingError, match=r"\$\.new_state: expected no column 'more'"):
        schema.encode(unknown)


def test_a_column_that_came_and_went_between_two_schemas_may_be_added_by_hand(db: Db, tmp_path: Path) -> None:
    db.execute("create table public.odd (id int primary key)")
    db.execute("select bridge.enable_tracking('public.odd')")
    file = tmp_path / "odd-value.avsc"
    file.write_text(generate(db, "public.odd", Wishes(), None).text, "utf-8")
    db.execute("alter table public.odd add column brief int")
    db.execute("insert into public.odd values (1, 7)")
    db.execute("alter table public.odd drop column brief")
    (payload,) = payloads(db, "odd")
    assert generate(db, "public.odd", Wishes(), file).text == file.read_text("utf-8")
    with pytest.raises(EncodingError, match="adds it, if the table has it yet"):
        ChangeSchema("odd-value", file.read_text("utf-8")).encode(payload)
    schema = json.loads(file.read_text("utf-8"))
    (row,) = [field["type"][1] for field in schema["fields"] if field["name"] == "before"]
    row["fields"].append({"name": "brief", "type": ["null", "int"], "default": None})
    file.write_text(json.dumps(schema), "utf-8")
    mended = ChangeSchema("odd-value", generate(db, "public.odd", Wishes(), file).text)
    assert decoded(mended, mended.encode(payload))["after"]["brief"] == 7


def test_what_is_nested_too_deep_is_refused(db: Db) -> None:
    db.execute("create table public.odd (id int primary key, doc jsonb)")
    db.execute("select bridge.enable_tracking('public.odd')")
    schema = schema_of(db, "public.odd")
    db.execute("insert into public.odd select 1, (repeat('[', 5000) || repeat(']', 5000))::jsonb")
    with pytest.raises(EncodingError, match="can be read exactly"):
        schema.encode(payloads(db, "odd")[0])


def test_what_could_not_be_recorded_is_refused_whatever_the_type(db: Db) -> None:
    db.execute("create table public.odd (id int primary key, note text, doc jsonb, n numeric)")
    db.execute("select bridge.enable_tracking('public.odd')")
    schema = schema_of(db, "public.odd")
    db.execute("insert into public.odd values (1, 'a', '{}', 1)")
    (payload,) = payloads(db, "odd")
    for column in ("note", "doc", "n"):
        change = json.loads(payload)
        state = {**json.loads(change["new_state"]), column: {"$unrepresented": "it is too large"}}
        with pytest.raises(EncodingError, match=rf"\$\.new_state\.{column}: expected") as refused:
            schema.encode(json.dumps({**change, "new_state": json.dumps(state)}))
        assert "--text" not in str(refused.value)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        "null",
        '{"id": 1}',
        '{"new_state": "{}"}',
        '{"id": "\ud800"}',
        *(
            json.dumps({"id": i, "seq": 1, "entity_type": "a", "entity_id": "b", "action": "INSERT", **more})
            for i in ("019377a8-6f0c-7d3c-9a50-3c1f2a1b4c5d", "x", 5)
            for more in (
                {},
                {"new_state": {"id": 1}},
                *(
                    {"occurred_at": "2026-01-01T00:00:00+00:00", "actor_status": "ok", "new_state": state}
                    for state in ("", "[]", "1", "null", '{"id": 1', '{"id": "\\ud800"}', "[" * 5000, '{"id": true}')
                ),
            )
        ),
    ],
)
def test_what_is_no_change_is_refused_and_breaks_nothing(payload: str) -> None:
    with pytest.raises(EncodingError):
        SIMPLE.encode(payload)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"name": "other", "type": "string"}, "nothing for the field other"),
        ({"name": "after", "type": "string"}, "the type of after"),
        ({"name": "after", "type": ["null", "string"]}, "the type of after"),
    ],
)
def test_a_schema_that_cannot_be_filled_is_refused(field: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ChangeSchema("s", json.dumps({**RECORD, "fields": [field]}))
    with pytest.raises(ConfigError, match="not of a tracked table"):
        ChangeSchema("s", '{"type": "record", "name": "a", "fields": []}')
    with pytest.raises(ConfigError, match="not valid Avro"):
        ChangeSchema("s", '{"type": "recor", "name": "a"}')


RECORD = {"type": "record", "name": "orders", "bridge": {"form": "change"}}
SIMPLE = ChangeSchema(
    "orders",
    json.dumps(
        {
            **RECORD,
            "fields": [
                {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
                {"name": "actor_status", "type": "string"},
                {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
                {
                    "name": "after",
                    "type": ["null", {"type": "record", "name": "Row", "fields": [{"name": "id", "type": "int"}]}],
                },
                {"name": "ours", "type": "int", "default": 7},
            ],
        }
    ),
)


def test_what_is_nested_beyond_reason_is_refused_at_once(db: Db) -> None:
    """Not as something unforeseen, for which the relay tries its batch again and again."""
    db.execute("create table public.odd (id int primary key, doc jsonb)")
    db.execute("select bridge.enable_tracking('public.odd')")
    schema = schema_of(db, "public.odd")
    db.execute("insert into public.odd values (1, (repeat('[', 5000) || repeat(']', 5000))::jsonb)")
    (payload,) = payloads(db, "odd")
    with pytest.raises(EncodingError, match="not a change that can be read exactly"):
        schema.encode(payload)


def test_names_of_changed_fields_in_two_dimensions_are_refused() -> None:
    """An application may write changes of its own."""
    schema = of_rows([{"name": "a", "type": ["null", "int"], "default": None}])
    payload = {"id": "i", "seq": 1, "entity_type": "t", "entity_id": "1", "action": "UPDATE"}
    with pytest.raises(EncodingError, match="not a change that can be read exactly"):
        schema.encode(json.dumps(payload | {"new_state": '{"a": 1}', "changed_fields": [["a"]]}))


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": SPELLED}]},
        {"type": "map", "values": SPELLED},
    ],
)
def test_a_number_is_not_written_as_so_many_zeros(kind: object) -> None:
    """A schema that was changed by hand may ask for the spelling of what is read within something else."""
    schema = of_rows([{"name": "a", "type": ["null", kind], "default": None}])
    payload = {"id": "i", "seq": 1, "entity_type": "t", "entity_id": "1", "action": "UPDATE"}
    with pytest.raises(EncodingError, match=r"\$\.new_state\.a"):
        schema.encode(json.dumps(payload | {"new_state": '{"a": {"x": 5}}'}))


def test_a_row_may_be_without_fields() -> None:
    payload = {"id": "i", "seq": 1, "entity_type": "t", "entity_id": "1", "action": "UPDATE", "new_state": "{}"}
    assert of_rows([]).encode(json.dumps(payload))


def of_rows(fields: list[dict[str, object]]) -> ChangeSchema:
    """A schema that was written by hand, with these columns."""
    row = {"type": "record", "name": "Row", "fields": fields}
    names = {"name": "changed_fields", "type": ["null", {"type": "array", "items": "string"}], "default": None}
    after = {"name": "after", "type": ["null", row], "default": None}
    change = {"type": "record", "name": "Change", "bridge": {"form": "change"}, "fields": [after, names]}
    return ChangeSchema("hand", json.dumps(change))
