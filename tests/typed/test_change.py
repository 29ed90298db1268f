"""Changes of a table of every kind of column, from trigger to consumer: equal to what is in the table, or refused."""

from __future__ import annotations

import pytest

from typed import scene
from typed.scene import Db, comparable, decoded, differing, field_names, in_table, insert, payloads, schema_of


@pytest.mark.parametrize("is_usual", [True, False])
def test_every_type_arrives_as_it_is_in_the_table(db: Db, is_usual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written straight, and value by value: where a column has a name that msgspec does not take."""
    if is_usual:
        monkeypatch.delitem(scene.KINDS, 'quo"ted')
    assert len({kind.type for kind in scene.KINDS.values()}) > 30
    scene.create(db)
    insert(db, 9, 0)
    db.execute("select bridge.enable_tracking('things')")
    schema, states = schema_of(db), []
    assert (schema.encode != schema.encode_slowly) is is_usual
    names = field_names(schema)
    for number in range(-1, 5):
        insert(db, number, number)
        states.append(("INSERT", None, in_table(db, names)[number]))
    before = in_table(db, names)[0]
    db.execute("update things set name = 'other', \"a column\" = 50, whole = null where id = 0")
    after = in_table(db, names)[0]
    states.append(("UPDATE", before, after))
    db.execute("delete from things where id = 1")
    states.append(("DELETE", states[2][2], None))
    rows = in_table(db, names)
    db.execute("truncate things")
    states += [("DELETE", rows[key], None) for key in (-1, 0, 2, 3, 4, 9)] + [("TRUNCATE", None, None)]
    records = [decoded(schema, schema.encode(payload)) for payload in payloads(db, "things")]
    found = [
        (record["action"], comparable(record["before"], names), comparable(record["after"], names))
        for record in records
    ]
    found[8:-1] = sorted(found[8:-1], key=lambda change: change[1]["id"])  # TRUNCATE tells of rows in no order
    assert [change[0] for change in found] == [change[0] for change in states]
    for (_, *one), (_, *other) in zip(found, states, strict=True):
        assert [differing(*pair) for pair in zip(one, other, strict=True)] == [{}, {}]
    assert records[6]["changed_fields"] == ["whole", "name", "a_column"]
    assert records[0]["source"]["entity_id"] == "-1"
    assert records[0]["source"]["seq"] < records[1]["source"]["seq"]
    assert records[-1]["change_summary"].startswith("TRUNCATE of things: 6 rows")


def test_rows_that_are_there_already_arrive_too(db: Db) -> None:
    scene.create(db)
    insert(db, 1, 0)
    db.execute("select bridge.enable_tracking('things')")
    db.execute(
        "select bridge.record_present((select id from bridge.tracked_table where entity_type = 'things'), %s)",
        ([["1"]],),
    )
    schema = schema_of(db)
    (payload,) = payloads(db, "things")
    record = decoded(schema, schema.encode(payload))
    names = field_names(schema)
    assert (record["action"], record["before"]) == ("READ", None)
    assert differing(comparable(record["after"], names), in_table(db, names)[1]) == {}
