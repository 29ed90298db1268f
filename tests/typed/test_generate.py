"""`bridge schema generate`: the file, what becomes of it when the table is altered, and what it says."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import psycopg
import pytest
from fix_command import Run, data_of

from bridge.admin.generate import generate, route_text, write_schema
from bridge.admin.typed_schema import Wishes
from bridge.encoding.avro.names import defined_names
from bridge.encoding.change import ChangeSchema
from bridge.errors import ConfigError
from typed import scene
from typed.scene import Db, decoded, payloads

Again = Callable[..., dict[str, Any]]


@pytest.fixture
def again(db: Db, tmp_path: Path) -> Again:
    """Write the schema of public.orders once more; the row's fields by name."""

    def again(**wishes: Any) -> dict[str, Any]:
        file = tmp_path / "orders.avsc"
        found = generate(db, "public.orders", Wishes(**wishes), file)
        write_schema(file, found.text)
        same = generate(db, "public.orders", Wishes(), file)
        assert (same.text, same.differences) == (found.text, [])
        schema = json.loads(found.text)
        fields = {field["name"]: field for field in schema["fields"]}
        row = next(fields[name]["type"][1] for name in ("before", "after") if name in fields)
        return {field["name"]: field for field in row["fields"]}

    return again


def test_columns_come_and_go_and_every_schema_reads_what_every_other_wrote(
    db: Db, again: Again, tmp_path: Path
) -> None:
    db.execute("create table public.orders (id int primary key, note text not null, state text)")
    db.execute("select bridge.enable_tracking('public.orders')")
    steps = [
        "select",
        "alter table public.orders add column amount numeric(10, 2) not null default 1",
        "alter table public.orders drop column state",
        "alter table public.orders alter note drop not null",
        "alter table public.orders alter amount type numeric(14, 2)",
        "alter table public.orders rename note to remark",
        "alter table public.orders add column state text",
    ]
    schemas, bodies = [], []
    for key, step in enumerate(steps):
        db.execute(step.encode())
        again()
        text = (tmp_path / "orders.avsc").read_text("utf-8")
        schemas.append(fastavro.parse_schema(json.loads(text)))
        db.execute(
            b"insert into public.orders (id) values (%d)" % key
            if key > 3
            else b"insert into public.orders (id, note) values (%d, 'a')" % key
        )
        schema = ChangeSchema("orders", text)
        bodies.append(schema.encode(payloads(db, "orders")[-1]))
    for writer, body in zip(schemas, bodies, strict=True):
        for reader in schemas:
            read: Any = fastavro.schemaless_reader(io.BytesIO(body), writer, reader)
            assert read["source"]["entity_id"] == str(read["after"]["id"])
    last = again()
    assert list(last) == ["id", "remark", "amount", "state", "note"]
    assert last["note"]["doc"].startswith("Not a column any more")
    assert "doc" not in last["state"]
    assert last["amount"]["type"][1]["precision"] == 14


def test_an_older_change_still_fits(db: Db, again: Again, tmp_path: Path) -> None:
    db.execute("create table public.orders (id int primary key, state text)")
    db.execute("select bridge.enable_tracking('public.orders')")
    again()
    db.execute("insert into public.orders values (1, 'new')")
    db.execute("alter table public.orders drop column state, add column amount int not null default 1")
    again()
    schema = ChangeSchema("orders", (tmp_path / "orders.avsc").read_text("utf-8"))
    after = decoded(schema, schema.encode(payloads(db, "orders")[0]))["after"]
    assert after == {"id": 1, "state": "new", "amount": None}


def test_an_enum_only_grows(db: Db, again: Again, tmp_path: Path) -> None:
    db.execute("create type public.mood as enum ('glad', 'sad')")
    db.execute("create table public.orders (id int primary key, mood public.mood, moods public.mood[])")
    db.execute("select bridge.enable_tracking('public.orders')")
    assert again()["mood"]["type"][1]["symbols"] == ["glad", "sad"]
    db.execute("alter type public.mood add value 'calm' before 'glad'")
    db.execute("alter type public.mood add value 'so so'")
    db.execute("alter type public.mood add value ''")
    db.execute("alter type public.mood rename value 'sad' to 'gloomy'")
    found = again()
    for enum in (found["mood"]["type"][1], found["moods"]["type"][1]["items"][1]):
        assert enum["symbols"] == ["glad", "sad", "calm", "gloomy", "so_so", "_"]
        assert enum["bridge"] == {"labels": {"so_so": "so so", "_": ""}}
    db.execute("insert into public.orders values (1, 'so so', '{calm,\"so so\",\"\"}')")
    schema = ChangeSchema("orders", (tmp_path / "orders.avsc").read_text("utf-8"))
    after = decoded(schema, schema.encode(payloads(db, "orders")[0]))["after"]
    assert after == {"id": 1, "mood": "so_so", "moods": ["calm", "so_so", "_"]}


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("int", "text", None),
        ("numeric(10,2)", "numeric(10,3)", None),
        ("numeric(10,3)", "numeric(12,2)", {"type": "bytes", "logicalType": "decimal", "precision": 13, "scale": 3}),
        ("numeric(10,2)", "numeric", None),
        ("timestamp", "timestamptz", None),
        ("text", "int", {"type": "string", "bridge": {"form": "text"}}),
        ("numeric", "numeric(5,1)", {"type": "string", "bridge": {"form": "text"}}),
        ("text", "jsonb", {"type": "string", "bridge": {"form": "json"}}),
        ("jsonb", "text", "string"),
        ("jsonb", "int", None),
        ("uuid", "text", "string"),
        ("text", "uuid", {"type": "string", "bridge": {"form": "text"}}),
        ("real", "double precision", "double"),
        ("bigint", "smallint", "long"),
        ("int", "double precision", "double"),
        ("int", "bigint", "long"),
        ("int[]", "bigint[]", {"type": "array", "items": ["null", "long"]}),
        ("int[]", "int", None),
        ("bytea", "text", None),
        ("varchar(5)", "varchar(9)", "string"),
        ("public.mood", "public.mood[]", None),
        ("public.mood[]", "public.mood[][]", None),
        ("public.mood[]", "public.mood", None),
    ],
)
def test_a_type_that_changes_is_read_or_refused(db: Db, again: Again, before: str, after: str, wanted: object) -> None:
    db.execute("create type public.mood as enum ('glad', 'sad')")
    db.execute(f"create table public.orders (id int primary key, x {before})".encode())
    again()
    db.execute("alter table public.orders drop column x")
    db.execute(f"alter table public.orders add column x {after}".encode())
    if wanted is None:
        with pytest.raises(ConfigError, match="what was written of x cannot be read"):
            again()
    else:
        assert again()["x"]["type"] == ["null", wanted]


def test_classes_of_java_can_be_made_of_it(db: Db) -> None:
    """javac takes no package that is called as a class is: a type's namespace must be no other type's name."""
    scene.create(db)
    names = defined_names(json.loads(generate(db, "things", Wishes(), None).text))
    assert {"public.things", "public.things_.Row", "public.things_.Source", "public.things_.enums.mood"} <= names
    parts = [name.split(".") for name in names]
    assert names.isdisjoint(".".join(part[:count]) for part in parts for count in range(1, len(part)))


def test_names_stay_whatever_comes_later(db: Db, again: Again) -> None:
    db.execute('create table public.orders (id int primary key, "a b" int, "a-b" int)')
    named = {name: field.get("bridge") for name, field in again().items()}
    assert named == {"id": None, "a_b": {"column": "a b"}, "a_b_2": {"column": "a-b"}}
    db.execute('alter table public.orders drop column "a b", add column a_b int, add column "Äh 1" int')
    named = {name: field.get("bridge") for name, field in again().items()}
    assert named["a_b_3"] == {"column": "a_b"}
    assert (named["a_b"], named["a_b_2"]) == ({"column": "a b"}, {"column": "a-b"})
    assert named["Ah_1"] == {"column": "Äh 1"}


def test_hidden_columns_and_comments(db: Db, again: Again, tmp_path: Path) -> None:
    db.execute("create table public.orders (id int primary key, born date, ssn text, note text, n int not null)")
    db.execute("comment on column public.orders.n is 'How many'; comment on table public.orders is 'All orders'")
    db.execute("select bridge.enable_tracking('public.orders', mask => '{born,ssn}', exclude => '{note}')")
    fields = again(after_only=True, name="shop.Order", text=["n"])
    assert list(fields) == ["id", "born", "ssn", "n"]
    assert fields["born"]["type"] == ["null", "string"]
    assert fields["n"] == {
        "name": "n",
        "type": ["null", {"type": "string", "bridge": {"form": "text"}}],
        "doc": "How many",
        "default": None,
    }
    assert again() == fields  # what it was made with stays
    db.execute("insert into public.orders values (1, '2000-01-01', 'x', 'y', 5)")
    schema = ChangeSchema("orders", text := (tmp_path / "orders.avsc").read_text("utf-8"))
    document = json.loads(text)
    assert (document["namespace"], document["name"], document["doc"]) == ("shop", "Order", "All orders")
    record = decoded(schema, schema.encode(payloads(db, "orders")[0]))
    assert record["after"] == {"id": 1, "born": "[masked]", "ssn": "[masked]", "n": "5"}
    assert "before" not in record


def test_what_people_write_into_the_file_stays(db: Db, again: Again, tmp_path: Path) -> None:
    db.execute("create table public.orders (id int primary key, a int not null, b text, at timestamptz)")
    again()
    file = tmp_path / "orders.avsc"
    text = file.read_text("utf-8")
    for old, new in (
        ('"name": "a", "type": ["null", "int"], "default": null', '"name": "a", "type": "int", "aliases": ["z"]'),
        (
            '"name": "b", "type": ["null", "string"], "default": null',
            '"name": "b", "type": ["string", "null"], "doc": "Mine", "default": "-"',
        ),
        ('timestamp-micros"}], "default"', 'timestamp-millis"}], "default"'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    fields = again()
    assert fields["a"] == {"name": "a", "type": "int", "aliases": ["z"]}
    assert fields["b"] == {"name": "b", "type": ["string", "null"], "doc": "Mine", "default": "-"}
    assert fields["at"]["type"][1]["logicalType"] == "timestamp-millis"
    db.execute("select bridge.enable_tracking('public.orders')")
    db.execute("insert into public.orders values (1, 2, null, '2026-01-01 00:00:00.001+00')")
    schema = ChangeSchema("orders", file.read_text("utf-8"))
    assert decoded(schema, schema.encode(payloads(db, "orders")[0]))["after"]["b"] is None
    db.execute("alter table public.orders alter a drop not null")
    assert again()["a"]["type"] == ["null", "int"]


def test_the_command(database: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "orders.avsc"
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("create table public.orders (id int primary key, amount numeric(10, 2))")
        printed = run("schema", "generate", "orders")
        assert printed.code == 0
        assert "[[routes]]" in printed.err
        assert "bridge track orders" in printed.err
        assert run("schema", "generate", "orders", "--out", str(file), "--check").code == 1
        assert not file.exists()
        written = run("schema", "generate", "orders", "--out", str(file))
        assert (written.code, f"{file} was written\n" in written.err) == (0, True)
        assert file.read_text("utf-8") == printed.out
        assert list(tmp_path.iterdir()) == [file]
        assert run("schema", "generate", "orders", "--out", str(file), "--check") == (0, "", "")
        db.execute("alter table public.orders add column note text")
        changed = run("schema", "generate", "orders", "--out", str(file), "--check")
        assert (changed.code, changed.out) == (1, f"{file}: before.note is new\n")
        db.execute("alter table public.orders alter amount type text")
        refused = run("schema", "generate", "public.orders", "--out", str(file))
        assert refused.code == 4
        assert "public.orders: what was written of amount cannot be read" in refused.err
        assert file.read_text("utf-8") == printed.out
        file.write_text('{"type": "string"}')
        assert "another schema" in run("schema", "generate", "orders", "--out", str(file)).err
        file.write_text("{")
        assert "no Avro schema" in run("schema", "generate", "orders", "--out", str(file)).err
        nowhere = run("schema", "generate", "orders", "--check")
        assert (nowhere.code, "no route with a schema names the table 'orders'" in nowhere.err) == (4, True)
        config = tmp_path / "bridge.toml"
        config.write_text(f'schemas = "."\n{route_text("orders", "shop.orders", "orders-value")}')
        unwritten = run("schema", "generate", "orders", "--check", "--config", str(config))
        assert (unwritten.code, "orders-value.avsc: there is no such file" in unwritten.out) == (1, True)
        assert "no column x" in run("schema", "generate", "orders", "--text", "x").err
        assert "no table" in run("schema", "generate", "nothing_like_it").err
        assert "is no table" in run("schema", "generate", "pg_catalog.pg_stats").err


def test_what_is_printed_is_what_the_file_would_be_whatever_the_locale(database: str) -> None:
    """A registry and all that reads schemas take it for UTF-8; a blank that is not to be seen stays valid JSON."""
    comment = "Größe in \N{EURO SIGN}\N{NO-BREAK SPACE}\N{SOFT HYPHEN}\N{TAG SPACE}"
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("create table public.orders (id int primary key, größe int)".encode())
        db.execute(
            f"comment on column public.orders.größe is '{comment}'; comment on table public.orders is 'Größen'".encode()
        )
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "bridge", "schema", "generate", "orders"]
    environment = {**os.environ, **locale, "BRIDGE_DATABASE_URL": database}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
    text = done.stdout.decode("utf-8")
    assert "Größen" in text
    assert comment in json.dumps(json.loads(text), ensure_ascii=False)


def test_the_route_that_a_table_has_is_said_and_no_other_beside_it(database: str, run: Run, tmp_path: Path) -> None:
    config, file = tmp_path / "bridge.toml", tmp_path / "orders-value.avsc"

    def told(route: str, *more: str) -> list[str]:
        config.write_text(f'schemas = "."\n{route}')
        done = run("schema", "generate", "orders", "--config", str(config), *more)
        assert done.code == 0
        return [line for line in done.err.splitlines() if str(file) not in line]

    with psycopg.connect(database, autocommit=True) as db:
        db.execute("create table public.orders (id int primary key)")
    run("track", "orders")
    own = route_text("orders", "shop.orders", "orders-value")
    taken = [
        f"the table orders takes the route at {config}:4: it names the table",
        "  topic = shop.orders",
        "  subject = orders-value",
        "  table = orders",
    ]
    assert told(own, "--out", str(file)) == taken
    assert told(own) == [*taken, "The schema of that route is orders-value.avsc"]
    (first, *_, last) = told('[[routes]]\ntable = "orders"\ntopic = "shop.orders"\nencoding = "json"\n')
    assert (first, last) == (
        f"the table orders takes the route at {config}:4: it names the table",
        "It has no use for a schema, for its encoding is json: make that avro, with a subject",
    )
    others = '[[routes]]\nevent_type = "entity.changed"\ntopic = "all"\nencoding = "json"\n'
    first, *_, heading, block, table, topic, subject = told(others, "--out", str(file))
    assert first.endswith("no route names the table, and this one is for all other changes")
    assert heading == "A route of its own:"
    assert "\n".join([block, table, topic, subject, ""]) == route_text("orders", "orders", "orders-value")


def test_no_schema_for_a_table_that_cannot_be_tracked(database: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "orders-value.avsc"
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("create table public.orders (id int not null unique, note text)")
    untracked = run("schema", "generate", "orders", "--out", str(file))
    assert (untracked.code, untracked.err) == (4, run("track", "orders").err)
    assert "(bridge track --key ...)" in untracked.err
    assert not file.exists()
    assert run("track", "orders", "--key", "id").code == 0
    assert run("schema", "generate", "orders", "--out", str(file)).code == 0


def test_a_check_compares_generated_schemas_with_their_tables(database: str, run: Run, tmp_path: Path) -> None:
    file, config = tmp_path / "orders-value.avsc", tmp_path / "bridge.toml"
    config.write_text(f'schemas = "."\n{route_text("orders", "shop.orders", "orders-value")}')
    (tmp_path / "own.avsc").write_text('{"type": "record", "name": "own", "fields": []}')

    def check(*more: str) -> tuple[int, list[dict[str, Any]]]:
        given = ("--config", str(config), "--against", str(tmp_path), "--json")
        done = run("schema", "check", *given, *more)
        return done.code, data_of(done.out)["subjects"]

    def doctor() -> list[dict[str, Any]]:
        checks: list[dict[str, Any]] = data_of(run("doctor", "--json", "--config", str(config)).out)["checks"]
        return checks

    with psycopg.connect(database, autocommit=True) as db:
        db.execute("create table public.orders (id int primary key, amount numeric(10, 2))")
        assert run("schema", "generate", "orders", "--out", str(file)).code == 0
        (finding,) = check("--tables")[1][0]["findings"]
        assert (finding["rule"], finding["message"]) == ("table-untracked", "no tracked table is called orders")
        run("track", "orders")
        assert [check("--tables")[0], check()[0]] == [0, 0]
        db.execute("alter table public.orders add column note text")
        assert check()[0] == 0
        code, (orders, own) = check("--tables")
        assert (code, orders["outcome"], own["outcome"]) == (1, "altered", "unchanged")
        (finding,) = orders["findings"]
        assert (finding["rule"], finding["message"]) == ("table-altered", "public.orders: before.note is new")
        assert finding["mend"] == f"bridge schema generate public.orders --out {finding['file']}"
        (told,) = [one for one in doctor() if one["name"].startswith("schema ")]
        assert (told["name"], told["level"], told["mend"]) == ("schema orders-value", "note", finding["mend"])
        assert told["text"] == "not as its table is: public.orders: before.note is new"
        assert run("schema", "generate", "orders", "--out", str(file)).code == 0
        assert check("--tables")[0] == 0
        assert not [one for one in doctor() if one["name"].startswith("schema")]
        db.execute("alter table public.orders alter amount type text")
        code, (orders, own) = check("--tables")
        assert (code, orders["outcome"]) == (1, "altered")
        assert "what was written of amount cannot be read" in orders["findings"][0]["message"]
        db.execute("alter table public.orders alter amount type numeric(10, 2) using null, add column more text")
        db.execute('alter table public.orders rename to "Former"; create table public.orders (id text primary key)')
        (finding,) = check("--tables")[1][0]["findings"]
        assert finding["message"] == 'public."Former": before.more is new'
        assert finding["mend"] == f"""bridge schema generate 'public."Former"' --out {finding["file"]}"""


def test_a_route_is_toml() -> None:
    text = route_text('odd "name"', "a.b", "a.b-größe")
    assert tomllib.loads(text) == {"routes": [{"table": 'odd "name"', "topic": "a.b", "subject": "a.b-größe"}]}
