"""Materialised views: refreshed when due, skipped when nothing has changed; what a new version of one keeps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from fix_relay import eventually

from bridge.errors import MigrationError
from bridge.keeping.step import House, Outcome, Step
from bridge.keeping.views import refresh
from bridge.postgres.connection import connect
from bridge.postgres.migrate import migrate
from bridge.postgres.script import Script, scripts
from bridge.settings import Settings

Db = psycopg.Connection[Any]
CONTACTS = "crm.contact_management_view"
VIEWS = [CONTACTS, "crm.sales_opportunity_view", "crm.territory_management_view"]
CONTACT = (
    'select crm.fn_create_entity(id, \'{"first_name": "Ada", "last_name": "Lovelace"}\')'
    " from crm.entity_types where display_name = 'Contact'"
)
CHANGE = "update crm.contacts set last_name = last_name || 'x'"


@pytest.fixture
def db(either_version: str) -> Iterator[Db]:
    with psycopg.connect(either_version, autocommit=True) as conn:
        yield conn


@pytest.fixture
def house(either_version: str) -> Iterator[House]:
    with connect(either_version) as conn:
        yield House(conn, Settings(), lambda _: True)


def run(db: Db, *statements: str) -> None:
    for statement in statements:
        db.execute(statement.encode())


def value(db: Db, query: str) -> Any:
    row = db.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def make_due(db: Db) -> None:
    """As if the last refreshes had been some minutes ago."""
    earlier = ", ".join(f"{name} = {name} - interval '6 min'" for name in ("started_at", "finished_at", "confirmed_at"))
    run(db, f"update bridge.matview_refresh set {earlier}")


def kept(house: House, db: Db) -> list[Step]:
    make_due(db)
    return list(refresh(house))


def told(steps: list[Step]) -> list[tuple[str, str, str]]:
    return [(step.target, str(step.outcome), step.detail) for step in steps]


def pending(db: Db, view: str = CONTACTS) -> bool | None:
    found: bool | None = value(db, f"select changes_pending from bridge.matview_staleness where matview = '{view}'")
    return found


# How often


def test_what_is_due_is_refreshed_and_what_is_not_is_left_alone(house: House, db: Db) -> None:
    run(db, CONTACT)
    assert told(list(refresh(house))) == [(view, "ok", "concurrent") for view in VIEWS]
    assert value(db, f"select count(*) from {CONTACTS}") == 1
    run(db, CHANGE)
    assert list(refresh(house)) == []
    assert told(kept(house, db)) == [(view, "ok", "concurrent") for view in VIEWS]
    run(db, CHANGE, "update bridge.matview_policy set enabled = false where position > 10")
    assert told(kept(house, db)) == [(CONTACTS, "ok", "concurrent")]
    run(db, "update bridge.matview_policy set every = '7 min'")
    assert kept(house, db) == []


def test_a_clock_that_was_set_back_delays_no_refresh(house: House, db: Db) -> None:
    run(db, CONTACT)
    assert len(list(refresh(house))) == 3
    run(db, CHANGE, "update bridge.matview_refresh set started_at = started_at + interval '1 year'")
    assert len(list(refresh(house))) == 3


def test_a_name_that_is_none_is_refused_when_it_is_given(house: House, db: Db) -> None:
    """At the next refresh, it would stop all of them."""
    for name in ("plain", "a.b.c", '"public.plain', "public.my view"):
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InvalidParameterValue)):
            db.execute("insert into bridge.matview_policy (matview) values (%s)", (name,))
    assert len(list(refresh(house))) == 3


def test_a_view_that_fails_stops_no_other_and_none_waits_for_ever(house: House, db: Db) -> None:
    run(
        db,
        "create table public.secret as select 'my password' as s",
        "create materialized view public.bad as select s::integer as n from public.secret with no data",
        "create materialized view public.slow as select 1 as n from pg_sleep(60) with no data",
        "create materialized view public.plain as select 1 as n with no data",
        "insert into bridge.matview_policy (matview, position, timeout)"
        " values ('public.bad', 1, '1 min'), ('public.gone', 2, '1 min'), ('public.slow', 3, '1 s'),"
        " ('public.plain', 4, '1 min')",
    )
    assert told(list(refresh(house)))[:4] == [
        ("public.bad", "error", "SQLSTATE 22P02; see bridge.matview_refresh"),
        ("public.gone", "error", 'relation "public.gone" does not exist'),
        ("public.slow", "error", "canceling statement due to statement timeout"),
        ("public.plain", "ok", "blocking"),  # its first fill
    ]
    query = "select matview, last_outcome, last_error, is_stale from bridge.matview_staleness limit 4"
    assert db.execute(query).fetchall() == [
        ("public.bad", "failed", 'invalid input syntax for type integer: "my password"', True),
        ("public.gone", "failed", 'relation "public.gone" does not exist', True),
        ("public.slow", "failed", "canceling statement due to statement timeout", True),
        ("public.plain", "refreshed", None, False),
    ]
    assert value(house.conn, "show statement_timeout") == value(db, "show statement_timeout")


def test_readers_wait_only_where_the_policy_says_so(house: House, db: Db) -> None:
    run(
        db,
        "create materialized view public.plain as select now() as n",
        "insert into bridge.matview_policy (matview, position) values ('public.plain', 1)",
    )
    first, *_ = list(refresh(house))
    assert first.outcome is Outcome.ERROR
    assert first.detail.startswith("public.plain cannot be refreshed concurrently: it has no unique index")
    run(db, "update bridge.matview_policy set allow_blocking = true where matview = 'public.plain'")
    assert told(kept(house, db))[0] == ("public.plain", "ok", "blocking")
    run(db, "update bridge.matview_policy set allow_blocking = false", "create unique index on public.plain (n)")
    assert told(kept(house, db))[0] == ("public.plain", "ok", "concurrent")


def test_two_refreshes_of_a_view_never_overlap(house: House, db: Db, either_version: str) -> None:
    with psycopg.connect(either_version) as other:
        run(other, "select bridge.refresh_views()")  # and its transaction stays open
        assert told(list(refresh(house))) == [
            (view, "busy", "it is being refreshed, or created anew") for view in VIEWS
        ]
    assert value(db, "select count(*) from bridge.matview_refresh") == 3


def test_the_relays_role_refreshes_what_the_policy_has_and_nothing_else(db: Db, either_version: str) -> None:
    run(
        db,
        "drop role if exists bridge_test_keeper",
        "create role bridge_test_keeper",
        "grant usage on schema bridge to bridge_test_keeper",
        "grant select on bridge.matview_staleness to bridge_test_keeper",
        "grant execute on function bridge.matview_report, bridge.refresh_view to bridge_test_keeper",
        "create materialized view public.other as select 1 as n with no data",
    )
    try:
        with connect(either_version) as conn:
            run(conn, "set role bridge_test_keeper")
            assert len(list(refresh(House(conn, Settings(), lambda _: True)))) == 3
            for statement, error in (
                ("select bridge.refresh_view('public.other')", psycopg.errors.InvalidParameterValue),
                ("select bridge.refresh_matview('public.other')", psycopg.errors.InsufficientPrivilege),
                ("select bridge.refresh_views()", psycopg.errors.InsufficientPrivilege),
            ):
                with pytest.raises(error):
                    run(conn, statement)
    finally:
        run(db, "drop owned by bridge_test_keeper", "drop role bridge_test_keeper")


# Skipped


def test_a_refresh_is_skipped_while_nothing_has_changed(house: House, db: Db) -> None:
    run(db, CONTACT)
    list(refresh(house))
    assert [pending(db, view) for view in VIEWS] == [False] * 3
    assert kept(house, db) == []
    assert value(db, "select count(*) from bridge.matview_refresh") == 3
    assert value(db, "select bool_and(age < interval '5 min' and not is_stale) from bridge.matview_staleness") is True
    assert list(refresh(house)) == [], "it was found to be current just now"
    run(db, CHANGE)
    assert [pending(db, view) for view in VIEWS] == [True] * 3
    assert len(kept(house, db)) == 3
    assert value(db, f"select last_name from {CONTACTS}") == "Lovelacex"
    assert value(db, "select bridge.refresh_views()") == 3, "who asks for it by hand gets it"


def test_nothing_is_believed_for_longer_than_a_day(house: House, db: Db) -> None:
    """What is written past the triggers draws no number."""
    run(db, CONTACT)
    list(refresh(house))
    run(db, "set session_replication_role = replica", CHANGE, "reset session_replication_role")
    assert kept(house, db) == []
    run(db, "update bridge.matview_refresh set (started_at, finished_at, confirmed_at) ="
        " (started_at - interval '1 day', finished_at - interval '1 day', now() - interval '6 min')")  # fmt: skip
    assert len(kept(house, db)) == 3
    assert value(db, f"select last_name from {CONTACTS}") == "Lovelacex"


def test_a_change_that_commits_after_the_refresh_is_not_overlooked(house: House, db: Db, either_version: str) -> None:
    """Its number was drawn before; so was that of one that came to nothing."""
    run(db, CONTACT)
    for end, is_pending in (("rollback", False), ("commit", True)):
        with psycopg.connect(either_version) as writer:
            run(writer, CHANGE)
            assert len(kept(house, db)) == 3
            assert pending(db) is False
            getattr(writer, end)()
        assert pending(db) is is_pending
        assert bool(kept(house, db)) is is_pending
    assert value(db, f"select last_name from {CONTACTS}") == "Lovelacex"


def test_a_change_that_is_listed_in_the_snapshot_is_not_overlooked(house: House, db: Db, either_version: str) -> None:
    """One that began after it has ended; and the change is in a savepoint, which has an id of its own."""
    run(db, CONTACT)
    list(refresh(house))
    with psycopg.connect(either_version) as writer:
        run(writer, "savepoint a", CHANGE, "release savepoint a")
        run(db, "create table public.later ()")
        assert len(kept(house, db)) == 3
        assert pending(db) is False
    assert pending(db) is True


def test_a_change_since_an_older_snapshot_is_not_overlooked(house: House, db: Db, either_version: str) -> None:
    run(db, CONTACT)
    with psycopg.connect(either_version) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        run(reader, "select 1 from crm.contacts")
        run(db, CHANGE)
        run(reader, "select bridge.refresh_views()")
    assert value(db, f"select last_name from {CONTACTS}") == "Lovelace"
    assert pending(db) is True
    kept(house, db)
    assert value(db, f"select last_name from {CONTACTS}") == "Lovelacex"


def test_an_older_id_than_the_number_tells_nothing(house: House, db: Db, either_version: str) -> None:
    run(db, CONTACT)
    list(refresh(house))
    with psycopg.connect(either_version) as owner, psycopg.connect(either_version) as writer:
        run(owner, "select pg_current_xact_id()")
        run(writer, CHANGE)
        run(owner, "select bridge.refresh_views()")
        owner.commit()
        writer.commit()
    assert pending(db) is None
    assert len(kept(house, db)) == 3
    assert value(db, f"select last_name from {CONTACTS}") == "Lovelacex"


@pytest.mark.parametrize(
    "statements",
    [
        ["select bridge.disable_tracking('crm.contacts')"],
        ["select bridge.disable_tracking('crm.contacts')", CHANGE, "select bridge.enable_tracking('crm.contacts')"],
        ["alter table crm.contacts disable trigger user"],
        ["select bridge.enable_tracking('crm.contacts', exclude => '{job_title}')"],
        ["update bridge.matview_policy set skip_unchanged = false"],
        ["update bridge.matview_refresh set home = 'another'"],
        ["create table crm.more () inherits (crm.contacts)"],
    ],
)
def test_what_is_not_known_is_refreshed(house: House, db: Db, statements: list[str]) -> None:
    run(db, CONTACT)
    list(refresh(house))
    run(db, *statements)
    assert pending(db) is not False
    assert CONTACTS in [step.target for step in kept(house, db)]


def test_a_view_over_others_is_as_sure_as_what_they_read(house: House, db: Db) -> None:
    run(
        db,
        "create table public.untracked as select 1 as n",
        "create view public.middle as select id from crm.contacts",
        "create view public.doubtful as select id from crm.contacts, public.untracked",
        "create materialized view public.sure as select id from public.middle",
        "create materialized view public.unsure as select id from public.doubtful",
        f"create materialized view public.second as select entity_id as id from {CONTACTS}",
        "insert into bridge.matview_policy (matview, skip_unchanged, allow_blocking)"
        " select 'public.' || v, true, true from unnest('{sure,unsure,second}'::text[]) as v",
    )
    list(refresh(house))
    found = [pending(db, f"public.{view}") for view in ("sure", "unsure", "second")]
    assert found == [False, None, None], "a refresh of the first view draws no number"


# New versions


@pytest.fixture
def ship(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the program ship another version of the contacts' view, and of a function before it."""

    def change(old: str, new: str) -> None:
        def shipped(**_: bool) -> list[Script]:
            return [with_changes(script) for script in scripts()]

        def with_changes(script: Script) -> Script:
            if script.file == "functions/iso_time.sql":
                return replace(script, sql=script.sql + f"-- {new}\n")
            if script.file == "views/contact_management_view.sql":
                assert old in script.sql
                return replace(script, sql=script.sql.replace(old, new))
            return script

        monkeypatch.setattr("bridge.postgres.migrate.scripts", shipped)

    return change


NEW_DEFINITION = ("       c.email,\n", "       lower(c.email) as email,\n")
OID = f"select '{CONTACTS}'::regclass::oid::bigint"
BELONGINGS = """
select pg_get_userbyid(relowner), reloptions, obj_description(c.oid, 'pg_class'),
       (select array_agg(x::text order by x::text) from aclexplode(coalesce(relacl, acldefault('r', relowner))) as x),
       (select array_agg(a.attname || a.attacl::text order by a.attnum) from pg_attribute as a
         where a.attrelid = c.oid and a.attacl is not null),
       (select array_agg(a.attname || col_description(a.attrelid, a.attnum) order by a.attnum) from pg_attribute as a
         where a.attrelid = c.oid and col_description(a.attrelid, a.attnum) is not null)
  from pg_class as c where c.oid = 'crm.contact_management_view'::regclass"""


def test_a_new_version_keeps_what_somebody_gave_to_the_view(db: Db, either_version: str, ship: Any) -> None:
    roles = ["owner", "Reader \" of it'", "default"]
    names = ['"bridge_test_' + role.replace('"', '""') + '"' for role in roles]
    owner, reader, default = names
    try:
        run(db, *(f"create role {name}" for name in names))
        run(
            db,
            f"grant usage, create on schema crm to {owner}",
            f"grant select on all tables in schema crm to {owner}",
            f"alter materialized view {CONTACTS} owner to {owner}",
            f"alter materialized view {CONTACTS} set (fillfactor = 70, autovacuum_enabled = false)",
            f"grant select on {CONTACTS} to public",
            f"grant select on {CONTACTS} to {reader} with grant option",
            f"grant select (email, street) on {CONTACTS} to {reader}",
            f"revoke truncate on {CONTACTS} from {owner}",
            f"alter default privileges in schema crm grant select on tables to {default}",
            f"comment on materialized view {CONTACTS} is 'it''s mine'",
            f"comment on column {CONTACTS}.email is 'in any case'",
            CONTACT,
        )
        before, number = db.execute(BELONGINGS).fetchone(), value(db, OID)
        ship(*NEW_DEFINITION)
        assert migrate(either_version) == ["domain/functions/iso_time.sql", "domain/views/contact_management_view.sql"]
        assert value(db, OID) != number
        assert db.execute(BELONGINGS).fetchone() == before
        assert value(db, f"select count(*) from {CONTACTS}") == 1
        assert value(db, "select bridge.refresh_views()") == 3
        assert value(db, "select bool_and(is_concurrent) from bridge.matview_refresh") is True, "it has its indexes"
    finally:
        run(db, *(f"drop owned by {name} cascade" for name in names), *(f"drop role {name}" for name in names))


def test_a_column_that_is_gone_takes_its_rights_along(db: Db, either_version: str, ship: Any) -> None:
    run(db, f"comment on column {CONTACTS}.street is 'gone'", f"grant select (street) on {CONTACTS} to bridge_reader")
    ship("       a.street,\n", "")
    assert "domain/views/contact_management_view.sql" in migrate(either_version)
    assert value(db, "select count(*) from pg_description where description = 'gone'") == 0


@pytest.mark.parametrize(
    ("what", "create"),
    [
        ("view public.mine", f"create view public.mine as select * from {CONTACTS}"),
        ("materialized view public.mine", f"create materialized view public.mine as select email from {CONTACTS}"),
        (
            "function public.mine()",
            f"create function public.mine() returns bigint return (select count(*) from {CONTACTS})",
        ),
        ("table public.mine", f"create table public.mine (c {CONTACTS})"),
    ],
)
def test_what_depends_on_a_view_is_named_before_anything_is_changed(
    db: Db, either_version: str, ship: Any, what: str, create: str
) -> None:
    before = db.execute("select * from bridge.schema_migration order by 1, 2").fetchall()
    number = value(db, OID)
    run(db, create)
    ship(*NEW_DEFINITION)
    with pytest.raises(MigrationError, match=r"has a new definition, and these depend on the present one") as refused:
        migrate(either_version)
    assert f"present one: {what}. Keep their" in str(refused.value)
    assert "Nothing was changed" in str(refused.value)
    assert db.execute("select * from bridge.schema_migration order by 1, 2").fetchall() == before
    assert value(db, OID) == number
    assert value(db, "select to_regclass('bridge.candidate') is null") is True


def test_a_dependent_that_comes_in_between_is_named_as_well(db: Db, either_version: str, ship: Any) -> None:
    run(db, f"create view public.mine as select * from {CONTACTS}")
    ship(*NEW_DEFINITION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.postgres.migrate.refuse_dependents", lambda conn, todo: None)
        with pytest.raises(MigrationError, match=r"these depend on the present one: view public\.mine\."):
            migrate(either_version)


def test_a_version_with_the_same_definition_leaves_the_view_alone(db: Db, either_version: str, ship: Any) -> None:
    run(db, f"create view public.mine as select * from {CONTACTS}")
    number = value(db, OID)
    ship("-- Contacts with", "-- All contacts with")
    assert "domain/views/contact_management_view.sql" in migrate(either_version)
    assert value(db, OID) == number


def test_a_migration_waits_for_a_refresh_and_no_refresh_for_a_migration(
    db: Db, house: House, either_version: str, ship: Any
) -> None:
    ship(*NEW_DEFINITION)
    applied: list[str] = []
    with psycopg.connect(either_version) as refreshing:
        run(refreshing, "select bridge.refresh_views()")
        thread = threading.Thread(target=lambda: applied.extend(migrate(either_version)), daemon=True)
        thread.start()
        waits = (
            "select exists (select from pg_locks as l join pg_stat_activity as a using (pid) where not granted"
            " and locktype = 'advisory' and application_name = 'bridge migrate' and a.datname = current_database())"
        )
        eventually(lambda: value(db, waits) is True)
        assert value(db, f"select count(*) from {CONTACTS}") == 0, "readers do not queue behind it"
        assert [step.outcome for step in refresh(house)] == [Outcome.BUSY] * 3
    thread.join(60)
    assert "domain/views/contact_management_view.sql" in applied
    assert Outcome.ERROR not in [step.outcome for step in refresh(house)]
