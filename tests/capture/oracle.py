"""What history must say, by one who knows only the table before and after."""

from __future__ import annotations

from typing import Any

import psycopg

from capture.scene import OWN, Table, literal, quoted

Db = psycopg.Connection[Any]
PINNED = """
begin; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'iso_8601';
set local bytea_output = 'hex'; set local extra_float_digits = 1; set local lc_monetary = 'C';
set local xmloption = content
"""
HISTORY = """
select action, entity_id, previous_state, new_state, changed_fields, seq,
       change_summary like '%%each with a DELETE event'
  from bridge.history where entity_type = %s and seq > %s order by seq"""


def rows(db: Db, schema: str, table: Table) -> dict[str, Any]:
    """The table as it is, by key, as history is to have it."""
    pairs = []
    for name, kind in table.columns.items():
        if name in table.excluded:
            continue
        value = f"r.{quoted(name)}"
        if kind in OWN:
            value = f"{value}::text"
        elif kind == "json":
            value = f"bridge.json_value({value})"
        pairs.append((name, "'[masked]'::text" if name in table.masked else value))
    state = " || ".join(f"jsonb_build_object({literal(name)}, {value})" for name, value in pairs)
    if len(table.key) == 1:
        kind = table.columns[table.key[0]]
        key = f"r.{quoted(table.key[0])}" + ("::text" if kind in OWN else "")
        key = f"to_jsonb({key}) #>> '{{}}'"
    else:
        parts = (f"r.{quoted(name)}" + ("::text" if table.columns[name] in OWN else "") for name in table.key)
        key = f"jsonb_build_array({', '.join(parts)})::text"
    with db.cursor() as cursor:
        for statement in PINNED.split(";"):
            cursor.execute(statement.encode())
        found = cursor.execute(f"select {key}, {state} from {schema}.{table.sql} as r".encode()).fetchall()
        cursor.execute("commit")
    return dict(found)


class Replayed:
    """A consumer that applies the events of one table in order, and notes what cannot be."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows: dict[str, Any] = {}
        self.seq = 0
        self.wrong: list[str] = []

    def catch_up(self, db: Db) -> None:
        for action, key, before, after, fields, seq, is_told in db.execute(
            HISTORY, (self.table.name, self.seq)
        ).fetchall():
            self.seq = seq
            if action == "TRUNCATE":
                if not is_told:
                    self.rows.clear()
                continue
            known = self.rows.get(key)
            if known != before:
                self.wrong.append(f"{action} {key[:40]!r}: the state before is {before}, and was {known}")
            if action == "UPDATE":
                differ = {name for name in after if before.get(name) != after[name]}
                differ |= {  # SQL's null became JSON's, or the other way: a state holds one null
                    name
                    for name in fields or ()
                    if self.table.columns.get(name) in ("json", "jsonb") and after[name] is before.get(name) is None
                }
                if set(fields) - set(self.table.masked) != differ - set(self.table.masked) or not fields:
                    self.wrong.append(f"UPDATE {key[:40]!r}: fields {fields}, not {differ}")
            if after is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = after

    def begin_anew(self, db: Db, now: dict[str, Any]) -> None:
        """After a change of the definition: what was recorded meanwhile ends, for its keys, with what is there.

        From Postgres 17 on a generated column may show another than it did once somebody has rewritten the table, and a
        transaction with an older snapshot does not see which: it is left out, or masked.
        """
        unsure = {name for name, kind in self.table.columns.items() if kind == "generated"}
        if db.info.server_version < 170000 or not (self.table.excluded or self.table.masked):
            unsure = set()
        ended: dict[str, Any] = {}
        for action, key, _, after, _, seq, is_told in db.execute(HISTORY, (self.table.name, self.seq)).fetchall():
            self.seq = seq
            if action != "TRUNCATE":
                ended[key] = after
            elif not is_told:
                ended.clear()
        for key, state in ended.items():
            if _without(unsure, now.get(key)) != _without(unsure, state):
                self.wrong.append(f"{key[:40]!r} is {now.get(key)}, and history says {state}")
        self.rows = now

    def compare(self, now: dict[str, Any]) -> None:
        for key in now.keys() | self.rows.keys():
            if now.get(key) != self.rows.get(key):
                self.wrong.append(f"{key[:40]!r} is {now.get(key)}, and history says {self.rows.get(key)}")


def _without(columns: set[str], state: Any) -> Any:
    return {name: value for name, value in state.items() if name not in columns} if state else state
