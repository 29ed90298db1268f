"""Generated tables, with whatever an application may do to its own: types, keys, triggers, cascades, partitions."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

# Type to literals. Those of the user's own types and what JSON cannot hold are recorded as text.
TYPES: dict[str, tuple[str, ...]] = {
    "int": ("1", "2", "-7", "null"),
    "bigint": ("9007199254740993", "0", "null"),
    "smallint": ("1", "null"),
    "text": ("'a'", "'b'", "'%s %1$L $$ \\ '' \"'", "repeat('x', 30)", "''", "null"),
    "varchar(10)": ("'a'", "'b '", "null"),
    "char(4)": ("'a'", "'b'", "null"),
    "name": ("'a'", "'b'"),
    "numeric": ("1.0", "1.00", "'NaN'", "1e40", "null"),
    "numeric(8,2)": ("1.5", "2", "null"),
    "float8": ("0.1", "-0.0", "0.0", "'NaN'", "'Infinity'", "1e300", "null"),
    "real": ("0.1", "3.4e38", "null"),
    "bool": ("true", "false", "null"),
    "uuid": ("'7c1e0000-0000-4000-8000-000000000001'", "null"),
    "date": ("'2024-02-29'", "'0044-03-15 BC'", "'infinity'", "null"),
    "timestamptz": ("'2024-02-29 12:00:00.123456+05'", "'-infinity'", "'20000-01-01'", "null"),
    "timestamp": ("'2024-02-29 12:00:00.5'", "null"),
    "time": ("'24:00'", "'01:02:03'", "null"),
    "timetz": ("'01:02:03+01'", "null"),
    "interval": ("'1 day'", "'24:00:00'", "'-1 mon 3 days'", "null"),
    "jsonb": ("""'{"a": 1.0, "b": [null]}'""", """'"x"'""", "'null'", "null"),
    "json": ("""'{"a":"\\u0000"}'""", """'{"a":1, "a":2}'""", "'[1]'", "null"),
    "bytea": ("'\\x00ff'", "''", "null"),
    "int[]": ("'{1,null,3}'", "'{}'", "'[0:1]={1,2}'", "null"),
    "text[]": ("'{a,\"b,c\"}'", "null"),
    "int4range": ("'[1,5)'", "'empty'", "null"),
    "tstzrange": ("'[2024-01-01,2024-02-01)'", "null"),
    "inet": ("'10.0.0.1/8'", "null"),
    "money": ("'12.34'", "null"),
    "bit varying": ("b'101'", "null"),
    "xml": ("'<a>1</a>'", "null"),
    "tsvector": ("'a b'", "null"),
    "mood": ("'sad'", "'ok'", "null"),
    "pair": ("'(1,x)'", "'(,)'", "null"),
    "short": ("'a'", "null"),
    "feeling": ("'sad'", "null"),
    "mood[]": ("'{sad,ok}'", "null"),
}
OWN = {"mood", "pair", "feeling", "mood[]"}  # recorded as their text
PRELUDE = """
create type mood as enum ('sad', 'ok');
create type pair as (a int, b text);
create domain short as text check (length(value) < 10);
create domain feeling as mood;
"""
NAMES = (
    *("r", "old", "new", "fields", "old_state", "tracked", "context", "select", "tg_op", "key", "headers"),
    *("Größe", 'quo"te', "it's", "a b", "$1", "%s", "x;y", "back\\slash", "n\nl", "event_id", "performed_by", "ctid_"),
)
KEYS = ("int", "bigint", "text", "uuid", "numeric", "timestamptz", "mood", "date", "varchar(10)")
KEY_VALUES = {  # eight that differ
    "int": [str(n) for n in range(1, 9)],
    "bigint": [str(n) for n in range(1, 9)],
    "text": ["'a'", "'A'", "'*'", "'?'", "''", "'a b'", "'[1]'", "repeat(md5('k'), 90)"],
    "uuid": [f"'7c1e0000-0000-4000-8000-00000000000{n}'" for n in range(8)],
    "numeric": ["1", "1.5", "-2", "0", "'NaN'", "1e30", "7.10", "8"],
    "timestamptz": [f"'2024-01-0{n} 00:00+00'" for n in range(1, 9)],
    "mood": ["'sad'", "'ok'"],
    "date": [f"'2024-01-0{n}'" for n in range(1, 9)],
    "varchar(10)": [f"'k{n}'" for n in range(8)],
}


def quoted(name: str) -> str:
    """As an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """As an SQL literal."""
    escape = "E" if "\\" in text else ""
    return escape + "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass
class Table:
    """One table and how it is tracked; `columns` maps a name to its type, keys included."""

    name: str
    columns: dict[str, str]
    key: list[str]
    masked: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    ddl: list[str] = field(default_factory=list)
    virtual: list[str] = field(default_factory=list)
    kind: str = "plain"

    @property
    def sql(self) -> str:
        return quoted(self.name)

    def tracking(self) -> str:
        """The call that tracks it, in the schema `tracked`."""

        def array(names: list[str]) -> str:
            return f"array[{', '.join(map(literal, names))}]::text[]"

        relation = literal(f"tracked.{self.sql}")
        return (
            f"select bridge.enable_tracking({relation}, {literal(self.name)}, "
            f"exclude => {array(self.excluded)}, mask => {array(self.masked)})"
        )


def make(rng: random.Random, version: int) -> list[Table]:
    """One to three tables; their DDL uses no schema, so that it can be run in two."""
    key_type = rng.choice(KEYS[:4] if rng.random() < 0.7 else KEYS)
    names = rng.sample(NAMES, 6)
    table = Table(rng.choice(("t", "T x", 'q"t', "r", "old")), {}, ["id"])
    table.columns["id"] = key_type
    if rng.random() < 0.25:
        table.columns["region"] = "int"
        table.key = ["region", "id"] if rng.random() < 0.5 else ["id", "region"]
    table.columns |= {"v": "int", "w": "text"}  # what statements and triggers change
    for name in names[: rng.randrange(6)]:
        table.columns[name] = rng.choice(list(TYPES))
    others = [name for name in table.columns if name not in table.key and name != "v"]
    if rng.random() < 0.3:
        table.masked = rng.sample(others, 1)
    if rng.random() < 0.3:
        table.excluded = rng.sample(
            [name for name in others if name not in table.masked] or [], 0 if len(others) < 2 else 1
        )
    kind = rng.choice(("plain", "plain", "plain", "plain", "hash", "list", "child"))
    deferrable = "deferrable" if kind == "plain" and key_type in ("int", "bigint") and rng.random() < 0.25 else ""
    table.kind = {"hash": "hash partitions", "list": "list partitions", "child": "inherits"}.get(kind, "plain")
    table.kind = "deferrable key" if deferrable else table.kind
    _create(rng, table, kind, deferrable, version)
    tables = [table]
    if kind != "child" and not deferrable and table.key == ["id"] and rng.random() < 0.5:
        tables.append(_referencing(rng, table))
    for number in range(rng.choice((0, 0, 1, 1, 2, 3))):
        table.ddl += _trigger(rng, table, number)
    table.ddl += _function(table)
    return tables


def _create(rng: random.Random, table: Table, kind: str, deferrable: str, version: int) -> None:
    columns = [f"{quoted(name)} {kind_}" for name, kind_ in table.columns.items()]
    if rng.random() < 0.2:
        columns.append("stored int generated always as (v * 2) stored")
        table.columns["stored"] = "generated"
    if version >= 18 and kind == "plain" and rng.random() < 0.2:
        columns.append("virtual int generated always as (v * 3) virtual")
        table.virtual.append("virtual")
    key = f"primary key ({', '.join(map(quoted, table.key))}) {deferrable}"
    if kind == "list":
        table.key = [*table.key, "part"] if rng.random() < 0.5 else ["part", *table.key]
        table.columns["part"] = "int"
        columns.append("part int default 0")
        key = f"primary key ({', '.join(map(quoted, table.key))})"
        table.ddl += [
            f"create table {table.sql} ({', '.join([*columns, key])}) partition by list (part)",
            f"create table p0 partition of {table.sql} for values in (0)",
            f"create table p1 partition of {table.sql} default",
        ]
    elif kind == "hash":
        spread = quoted(table.key[0])
        table.ddl += [
            f"create table {table.sql} ({', '.join([*columns, key])}) partition by hash ({spread})",
            *[f"create table h{n} partition of {table.sql} for values with (modulus 2, remainder {n})" for n in (0, 1)],
        ]
    elif kind == "child":
        table.ddl += [
            f"create table parent ({quoted('id')} {table.columns['id']}, v int)",
            f"create table {table.sql} ({', '.join([*columns, key])}) inherits (parent)",
        ]
    else:
        gone = ["gone int", *columns] if rng.random() < 0.3 else columns
        table.ddl.append(f"create table {table.sql} ({', '.join([*gone, key])})")
        if gone is not columns:
            table.ddl.append(f"alter table {table.sql} drop column gone")


def _referencing(rng: random.Random, table: Table) -> Table:
    action = rng.choice(("cascade", "set null", "cascade"))
    columns = {"id": "int", "up": table.columns["id"], "v": "int", "w": "text"}
    child = Table("child", columns, ["id"], kind="foreign key")
    check = rng.choice(("", "deferrable initially deferred"))
    child.ddl.append(
        f"create table child (id int primary key, up {table.columns['id']} references {table.sql} "
        f"on delete {action} on update cascade {check}, v int, w text)"
    )
    return child


def _trigger(rng: random.Random, table: Table, number: int) -> list[str]:
    """A trigger that writes to the table itself, once deep."""
    same = " and ".join(f"{quoted(name)} = {{row}}.{quoted(name)}" for name in table.key)
    columns = ", ".join(quoted(name) for name in table.columns if name != "stored")
    values = ", ".join(f"old.{quoted(name)}" for name in table.columns if name != "stored")
    body, when, level = rng.choice(
        (
            (f"update {table.sql} set w = 'slug' where {same.format(row='new')}", "insert", "row"),
            (f"update {table.sql} set v = v + 1 where {same.format(row='new')}", "insert or update", "row"),
            (f"update {table.sql} set v = v where {same.format(row='new')}", "insert or update", "row"),
            (f"delete from {table.sql} where {same.format(row='new')} and v = 3", "insert or update", "row"),
            (f"insert into {table.sql} ({columns}) values ({values}) on conflict do nothing", "delete", "row"),
            (f"update {table.sql} set v = 9 where w = 'a'", "insert or update or delete", "statement"),
            (f"delete from {table.sql} where v = 2", "insert or update or delete", "statement"),
        )
    )
    name = rng.choice(("a", "zz", "!", "!!x", "!bridge", '"', "Z", "bridge_")) + str(number)
    timing = "after" if level == "statement" else rng.choice(("after", "after", "after", "before"))
    if timing == "before":
        body, when = "new.w := coalesce(new.w, '') || 'b'", "insert or update"
    result = "new" if timing == "before" else "null"
    return [
        f"create function f{number}() returns trigger language plpgsql as $f$ begin "
        f"if pg_trigger_depth() < {rng.choice((2, 3))} then {body}; end if; return {result}; end $f$",
        f"create trigger {quoted(name)} {timing} {when} on {table.sql} for each {level} execute function f{number}()",
    ]


def _function(table: Table) -> list[str]:
    """Functions that a statement may call, and that write to the table which the statement writes to."""
    return [
        f"create function meddle(of int) returns int language plpgsql as $f$ begin "
        f"update {table.sql} set v = v + 10 where v < of; return of + 1; end $f$",
        f"create function sweep(of int) returns int language plpgsql as $f$ begin "
        f"delete from {table.sql} where v = of; return of; end $f$",
    ]
