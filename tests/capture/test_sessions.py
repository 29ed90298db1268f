"""Several sessions at once: history is what each row was, whoever waits for whom, and nobody's write fails."""

from __future__ import annotations

import threading

import psycopg
from fix_relay import eventually

from capture.history import Db, last, run, table


def test_a_table_that_is_altered_while_its_function_is_made(db: Db, either_version: str) -> None:
    """What was read before is not taken for its definition of afterwards: each write would fail, and nobody look."""
    run(
        db,
        "create table t (id int primary key, n int)",
        "select bridge.enable_tracking('t')",
        "alter function bridge.event_key_expression rename to real_one",
        """create function bridge.event_key_expression(tracked bridge.tracked_table, "row" text) returns text
               language plpgsql as $$ begin
               perform pg_advisory_xact_lock(1); return bridge.real_one(tracked, "row"); end $$""",
        "alter table t add m int",
    )

    def look() -> None:
        with psycopg.connect(either_version) as relay:
            relay.execute("select bridge.refresh_tracking()")

    looking = threading.Thread(target=look)
    with psycopg.connect(either_version) as gate:
        gate.execute("select pg_advisory_xact_lock(1)")
        looking.start()
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        eventually(lambda: db.execute(waits).fetchone() == (1,))
        run(db, "alter table t rename id to number")
    looking.join()
    run(db, "insert into t values (1, 0)", "select bridge.refresh_tracking()", "update t set m = 2")
    assert last(db) == table(db, key="number")
    names = "select columns ->> '1' from bridge.tracked_table where entity_type = 't'"
    assert db.execute(names).fetchone() == ("number",)
