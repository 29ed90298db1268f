"""Generated statements over the tables of a scene."""

from __future__ import annotations

import random

from capture.scene import KEY_VALUES, TYPES, Table, quoted

SETTINGS = (
    *("set timezone = 'America/New_York'", "set timezone = 'UTC'", "set datestyle = 'German, DMY'"),
    *("set datestyle = 'ISO, MDY'", "set intervalstyle = 'sql_standard'", "set bytea_output = 'escape'"),
    *("set extra_float_digits = -5", "set jit = off", "set plan_cache_mode = force_generic_plan"),
    *(
        "set xmloption = document",
        "set enable_seqscan = off",
        "set lc_monetary = 'C'",
        "set quote_all_identifiers = on",
    ),
    *("set bridge.actor = 'nobody'", "set bridge.traceparent = '00-ab'", "set bridge.actor_context = '{'"),
    *("set app.current_user_id = '00000000-0000-4000-8000-000000000001'", "set escape_string_warning = off"),
)


def value(rng: random.Random, table: Table, column: str) -> str:
    """A literal for a column."""
    kind = table.columns[column]
    if column in table.key or column == "up":
        values = KEY_VALUES.get(kind, ["1", "2", "3", "4"])
        return rng.choice(["0", "1"] if column in ("part", "region") else values)
    return rng.choice([v for v in TYPES[kind] if column != "v" or v != "null"])


def row(rng: random.Random, table: Table) -> str:
    return "(" + ", ".join(value(rng, table, name) for name in _written(table)) + ")"


def statement(rng: random.Random, tables: list[Table]) -> str:
    """One that may well fail, but leaves both twins alike."""
    table = rng.choice([tables[0], *tables])
    name, columns = table.sql, ", ".join(map(quoted, _written(table)))
    one = " and ".join(f"{quoted(k)} = {value(rng, table, k)}" for k in table.key)
    some = rng.choice((one, one, f"v < {rng.randrange(5)}", "true", "v % 2 = 0"))
    others = [n for n in _written(table) if n not in table.key]
    changed = rng.choice(others)
    change = rng.choice(
        (
            f"v = v + {rng.randrange(3)}",
            f"{quoted(changed)} = {value(rng, table, changed)}",
            f"w = {value(rng, table, 'w')}, v = {rng.randrange(4)}",
            f"v = meddle({rng.randrange(4)})",
            f"v = v + sweep({rng.randrange(4)})",
        )
    )
    conflict = f"({', '.join(map(quoted, table.key))})"
    number = table.columns["id"] in ("int", "bigint")
    choices = [
        *[f"insert into {name} ({columns}) values {row(rng, table)}"] * 3,
        f"insert into {name} ({columns}) values {row(rng, table)}, {row(rng, table)}, {row(rng, table)} "
        "on conflict do nothing",
        f"insert into {name} ({columns}) values {row(rng, table)} on conflict {conflict} do update set {change}"
        if "deferrable" not in "".join(table.ddl)
        else f"update {name} set {change}",
        *[f"update {name} set {change} where {some}"] * 4,
        f"update {name} set {quoted('id')} = {value(rng, table, 'id')} where {one}",
        f"update {name} set {quoted(rng.choice(table.key))} = {value(rng, table, table.key[0])} where {some}"
        if len(table.key) == 1
        else f"update {name} set {quoted(table.key[0])} = {value(rng, table, table.key[0])} where {some}",
        f"update {name} set id = id + {rng.choice((1, -1, 100))}" if number else f"delete from {name} where {one}",
        f"update {name} set id = 3 - id where id in (1, 2)" if number else f"update {name} set {change}",
        *[f"delete from {name} where {some}"] * 2,
        f"with gone as (delete from {name} where {some} returning *) insert into {name} ({columns}) "
        f"select {columns} from gone",
        f"with gone as (update {name} set {change} where {one} returning 1) delete from {name} where v = 1",
        f"merge into {name} as x using (select {_typed(rng, table)}) as y on "
        + " and ".join(f"x.{quoted(k)} = y.{quoted(k)}" for k in table.key)
        + f" when matched and x.v < 2 then delete when matched then update set {change.replace('v = v', 'v = x.v')} "
        f"when not matched then insert ({columns}) values ({', '.join('y.' + quoted(n) for n in _written(table))})",
        f"select sweep(v) from {name} limit 2",
        f"truncate {name}{' cascade' if len(tables) > 1 else ''}" if rng.random() < 0.3 else f"update {name} set v = v",
        f"alter table {name} alter column v type int using v + 0"
        if rng.random() < 0.3
        else f"update {name} set {change}",
        # Of a key that is deferred, two rows may have one: what cannot be recorded, see docs/events.md.
        "set constraints all immediate" if tables[0].kind == "deferrable key" else "set constraints all deferred",
    ]
    return rng.choice(choices)


def definition(rng: random.Random, table: Table) -> str:
    """Changes the table's definition, and what is known of it."""
    candidates = [n for n in table.columns if n not in ("v", "w", "id", "region", "part", "stored")]
    kind = rng.choice(("add", "rename", "drop", "retype"))
    if kind == "add" or not candidates:
        name, of = f"added{rng.randrange(1000)}", rng.choice(("int", "text", "mood", "json", "timestamptz"))
        if name in table.columns:
            return "select"
        table.columns[name] = of
        return f"alter table {table.sql} add column {name} {of}"
    name = rng.choice(candidates)
    if kind == "rename":
        other = f"renamed{rng.randrange(1000)}"
        if other in table.columns:
            return "select"
        table.columns = {other if n == name else n: of for n, of in table.columns.items()}
        table.masked = [other if n == name else n for n in table.masked]
        table.excluded = [other if n == name else n for n in table.excluded]
        return f"alter table {table.sql} rename column {quoted(name)} to {other}"
    if kind == "retype" and table.columns[name] in ("int", "bigint", "smallint"):
        table.columns[name] = "text"
        return f"alter table {table.sql} alter column {quoted(name)} type text"
    table.columns.pop(name)
    table.masked = [n for n in table.masked if n != name]
    table.excluded = [n for n in table.excluded if n != name]
    return f"alter table {table.sql} drop column {quoted(name)}"


def _typed(rng: random.Random, table: Table) -> str:
    names = _written(table)
    return ", ".join(f"{value(rng, table, name)}::{table.columns[name]} as {quoted(name)}" for name in names)


def _written(table: Table) -> list[str]:
    return [name for name in table.columns if name != "stored"]
