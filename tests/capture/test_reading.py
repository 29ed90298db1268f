"""Reading a tracked table with bridge's rights runs no code of its owner, and reads no other table."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from fix_relay import eventually
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from bridge.admin.present_rows import count_rows, opened, read_keys
from bridge.admin.snapshot import begin_snapshot
from bridge.admin.snapshot_run import Limits, carry_out
from bridge.admin.tracking import find_tracked
from bridge.admin.verify_capture import CaptureVerdict, verify_capture
from bridge.postgres.connection import connect
from bridge.settings import DatabaseSettings, Settings
from capture.history import Db, actions, run


@pytest.fixture
def owner(db: Db, either_version: str, unique: str) -> Iterator[Db]:
    """The session of who owns the table t, which is tracked and has a row, and may make schemas of his own."""
    run(db, f"create role {unique} login password 'x'", f"grant create on schema public to {unique}")
    run(db, f"grant create on database {db.info.dbname} to {unique}")
    run(db, "create table t (id int primary key)", "insert into t values (1)", "select bridge.enable_tracking('t')")
    run(db, f"alter table t owner to {unique}")
    try:
        with psycopg.connect(either_version, user=unique, password="x", autocommit=True) as conn:  # noqa: S106
            run(conn, "set search_path = public", "set lock_timeout = '100ms'", RUNS.format(unique))
            yield conn
    finally:
        run(db, f"drop owned by {unique} cascade", f"drop role {unique}")


RUNS = """create function f() returns int immutable language plpgsql as $$ begin
              if current_user <> '{}' then raise exception 'ran as %', current_user; end if;
              return 1; end $$"""


def take(url: str, name: str = "t") -> None:
    with connect(url, application_name="bridge snapshot") as conn:
        list(carry_out(conn, *begin_snapshot(conn, name, None, restart=False), Limits()))


def test_nobody_elses_code_runs(db: Db, owner: Db, either_version: str) -> None:
    run(owner, "create index on t (id) where f() = 1")
    with pytest.raises(errors.InsufficientPrivilege, match=r"reading public\.t would run .* function public\.f\(\)"):
        take(either_version)
    with pytest.raises(errors.InsufficientPrivilege, match=r"reading public\.t would run .* function public\.f\(\)"):
        run(db, "select bridge.record_present(t.id, '{{1}}') from bridge.tracked_table as t where entity_type = 't'")
    run(owner, "drop function f cascade")
    take(either_version)
    assert actions(db) == [("READ", "1")]


def test_a_condition_of_an_enum_is_no_code(db: Db, owner: Db, either_version: str) -> None:
    run(owner, "create type state as enum ('open', 'closed')", "alter table t add s state default 'open'")
    run(owner, "create index on t (id) where s = 'open'", "create index on t (id) where s in ('open', 'closed')")
    take(either_version)
    assert all(table.passed for table in verified(either_version).tables)


def test_reading_anothers_table_takes_the_right_to_lock_it(db: Db, owner: Db, either_version: str) -> None:
    """Who owns nothing there may read what nobody but a superuser can add to; SELECT is enough for that."""
    reader = f"{owner.info.user}_r"
    run(db, f"create role {reader} login password 'x'", f"grant select on t to {reader}")
    try:
        for schema in ("bridge", "bridge_tracking"):
            run(
                db,
                f"grant all on schema {schema} to {reader}",
                f"grant select on all tables in schema {schema} to {reader}",
            )
        run(db, f"grant execute on all functions in schema bridge to {reader}")
        url = make_conninfo(either_version, user=reader, password="x")  # noqa: S106
        assert "needs UPDATE on public.t" in str(unreadable(url))
        run(db, f"alter table t owner to {db.info.user}")
        assert unreadable(url) is None
    finally:
        run(db, f"drop owned by {reader}", f"drop role {reader}")


def test_verifying_where_sessions_are_read_only(db: Db, owner: Db, either_version: str) -> None:
    url = make_conninfo(either_version, options="-c default_transaction_read_only=on")
    assert unreadable(url) is None


def test_nobody_elses_type_reads_a_key_back(db: Db, owner: Db, either_version: str) -> None:
    run(owner, "create domain one as int check (value = f())", "create type pair as (a one)")
    run(owner, "create table u (id pair primary key)")
    run(db, "select bridge.enable_tracking('u')")
    with pytest.raises(errors.InsufficientPrivilege, match=r"the owner of its type public\.pair"):
        take(either_version, "u")
    with pytest.raises(errors.InsufficientPrivilege, match=r"the owner of its type public\.pair"):
        run(db, "select bridge.record_present(t.id, '{{(1)}}') from bridge.tracked_table as t where entity_type = 'u'")


PARTS = (
    "create table p (id int primary key) partition by range (id)",
    "create table p0 partition of p for values from (0) to (10)",
    "create table p1 (id int primary key)",
    "create index on p1 (id) where f() = 1",
)
TRAP = (  # a view for which the schema of t may be exchanged
    "create schema here",
    "create schema trap",
    "create view trap.t as select public.f() as id, '1'::xid as xmin",
    "alter table t set schema here",
)
LATER = {
    "an index": "create index on t (id) where f() = 1",
    "an index of a partition": "create index on p0 (id) where f() = 1",
    "statistics": "create statistics s on id, (id + f()) from t",
    "a partition": "alter table p attach partition p1 for values from (10) to (20)",
}


@pytest.mark.parametrize("what", LATER)
def test_nobodys_code_comes_while_rows_are_read(db: Db, owner: Db, either_version: str, what: str) -> None:
    run(owner, *PARTS)
    run(db, "select bridge.enable_tracking('p')")
    table = "p" if "partition" in what else "t"
    with (
        connect(either_version) as conn,
        conn.transaction(),
        opened(conn, find_tracked(conn, table)),
        pytest.raises(errors.LockNotAvailable),
    ):
        run(owner, LATER[what])
    run(owner, LATER[what])


def test_it_is_that_table_whoever_has_its_name_by_then(db: Db, owner: Db, either_version: str) -> None:
    """A lock of a table keeps its name, and not that of its schema."""
    run(owner, *TRAP, "insert into here.t values (2)")
    with connect(either_version) as conn:
        with conn.transaction(), opened(conn, find_tracked(conn, "here.t")) as source:
            run(owner, "alter schema here rename to there", "alter schema trap rename to here")
            keys = read_keys(conn, source, None, sql.SQL("order by r.id"))
            assert count_rows(conn, source, None) == 2
        assert [key.key for key in keys] == [["1"], ["2"]]


def verified(url: str) -> CaptureVerdict:
    return verify_capture(Settings(database=DatabaseSettings(url=url)), ())


def unreadable(url: str) -> str | None:
    (table,) = (table for table in verified(url).tables if table.relation == "public.t")
    return table.unreadable


SWAPS = "alter schema here rename to there; alter schema trap rename to here"
WAITS = "select count(*) from pg_locks where relation = 'a.first'::regclass and not granted"


@pytest.mark.parametrize("later", [*LATER.values(), SWAPS])
def test_nobodys_code_comes_while_others_are_verified(db: Db, owner: Db, either_version: str, later: str) -> None:
    """All are compared in one snapshot, which does not show what came since it was taken."""
    run(owner, *PARTS)
    run(owner, *TRAP, "grant usage on schema here, trap to public")
    run(db, "create schema a", "create table a.first (id int primary key)", "select bridge.enable_tracking('a.first')")
    run(db, "select bridge.enable_tracking('p')")
    found: list[CaptureVerdict | Exception] = []

    def verify() -> None:
        try:
            found.append(verified(either_version))
        except Exception as error:
            found.append(error)

    verifying = threading.Thread(target=verify)
    with psycopg.connect(either_version) as holder:
        holder.execute("lock table a.first in access exclusive mode")
        verifying.start()
        eventually(lambda: db.execute(WAITS).fetchone() == (1,) or not verifying.is_alive())
        with owner.transaction():
            run(owner, "set local search_path = here, public", later)
    verifying.join()
    (verdict,) = found
    assert isinstance(verdict, CaptureVerdict)
    unreadable = {t.relation: str(t.unreadable) for t in verdict.tables if t.unreadable is not None}
    if later == SWAPS:
        assert unreadable == {}
    else:
        (why,) = unreadable.values()
        assert "would run with your rights: function public.f()" in why


def test_a_table_that_has_become_a_view(db: Db, owner: Db, either_version: str) -> None:
    """A rule makes one of an empty table, before Postgres 16."""
    if db.info.server_version >= 160000:
        pytest.skip("no rule makes a view of a table here")
    run(owner, "delete from t", "alter table t drop constraint t_pkey")
    drop = "select format('drop trigger %I on t', tgname) from pg_trigger where tgrelid = 't'::regclass"
    run(owner, *(statement for (statement,) in owner.execute(drop).fetchall()))
    run(owner, "vacuum t", 'create rule "_RETURN" as on select to t do instead select f() as id')
    assert [table.unreadable for table in verified(either_version).tables if table.name == "t"] == ["the table is gone"]
    with pytest.raises(errors.InsufficientPrivilege):
        run(db, "select bridge.record_present(t.id, '{{1}}') from bridge.tracked_table as t where entity_type = 't'")
