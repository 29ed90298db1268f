"""Connections do not depend on what the database, the role or the environment have set; encodings of databases."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from at_length import at_length
from fix_command import data_of
from fix_relay import Site, eventually
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bridge.errors import MigrationError
from bridge.local.stack import Endpoints
from bridge.postgres.connection import connect
from bridge.postgres.migrate import migrate, plan, require_current
from bridge.postgres.queries import query

HOSTILE = {
    "search_path": "evil, pg_catalog", "DateStyle": "German, DMY", "IntervalStyle": "sql_standard",
    "TimeZone": "America/St_Johns", "client_encoding": "LATIN1", "bytea_output": "escape", "extra_float_digits": "-15",
    "quote_all_identifiers": "on", "standard_conforming_strings": "off", "array_nulls": "off",
    "transform_null_equals": "on", "xmloption": "document", "row_security": "on",
    "default_transaction_isolation": "serializable", "default_transaction_deferrable": "on",
    "statement_timeout": "500ms", "lock_timeout": "500ms", "idle_session_timeout": "500ms",
    "idle_in_transaction_session_timeout": "500ms", "transaction_timeout": "500ms", "jit": "on", "jit_above_cost": "0",
    "plan_cache_mode": "force_custom_plan", "enable_indexscan": "off", "synchronous_commit": "off",
    "escape_string_warning": "off", "client_min_messages": "error",
}  # fmt: skip
STYLES = ["German, DMY", "SQL, DMY", "Postgres, MDY"]
# Anyone who may create a schema can put these before ours, where a search_path lets them.
EVIL = """
create schema evil;
create function evil.clock_timestamp() returns timestamptz language sql return '2000-01-01'::timestamptz;
create function evil.now() returns timestamptz language sql return '2000-01-01'::timestamptz;
create function evil.hashtextextended(text, integer) returns bigint language sql return 7;
create function evil.count(integer) returns bigint language sql return 7;
"""


@pytest.fixture
def hostile(site: Site) -> Iterator[Site]:
    """A site whose database has set all that can be set against us."""
    with site.connect() as db:
        db.execute(EVIL)
        for name, value in HOSTILE.items():
            if db.execute("select current_setting(%s, true)", (name,)).fetchone() != (None,):
                set_for_all(db, name, value)
    return site


def set_for_all(db: psycopg.Connection, name: str, value: str) -> None:
    setting = sql.SQL(value) if "," in value else sql.Literal(value)
    change = sql.SQL("alter database {} set {} = {}")
    db.execute(change.format(sql.Identifier(db.info.dbname), sql.Identifier(name), setting))


def test_every_setting_of_a_connection_is_pinned(hostile: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of `pin_session.sql`, and what libpq takes from the environment and from the URL."""
    for name, value in {"PGCLIENTENCODING": "LATIN2", "PGTZ": "Asia/Kathmandu", "PGDATESTYLE": "SQL"}.items():
        monkeypatch.setenv(name, value)
    url = f"{hostile.settings.database.url}?client_encoding=LATIN3&options=-c%20statement_timeout%3D700"
    with connect(url) as db:
        pinned = db.execute(query("pin_session"), {"is_local": True}).fetchall()
        assert len(pinned) >= 20
        names = "select name, setting from pg_settings where name = any (%s)"
        now = dict(db.execute(names, ([*HOSTILE, "client_encoding"],)).fetchall())
        assert now["client_encoding"] == "UTF8"
        assert now["search_path"] == "pg_catalog, pg_temp"
        assert (now["DateStyle"], now["IntervalStyle"], now["TimeZone"]) == ("ISO, YMD", "postgres", "UTC")
        assert now["statement_timeout"] == now["lock_timeout"] == now["idle_session_timeout"] == "0"
        assert now["default_transaction_isolation"] == "read committed"
        given = {"jit_above_cost", "enable_indexscan", "synchronous_commit"}
        given |= {"escape_string_warning", "client_min_messages"}
        with psycopg.connect(hostile.settings.database.url) as plain:
            hostile_ones = dict(plain.execute(names, ([*HOSTILE],)).fetchall())
        assert {name for name in hostile_ones if now[name] == hostile_ones[name]} == given, "not pinned"


def test_the_whole_path(hostile: Site) -> None:
    """Written, read, published, settled, dead, retried, shown, verified and migrated."""
    with psycopg.connect(hostile.settings.database.url, client_encoding="UTF8", autocommit=True) as db:
        publish = "select bridge.publish_event('thing.changed', %s, %s)::text"
        db.execute(publish, ("ключ-鍵-🔑", '{"n": 1, "text": "ключ-鍵-🔑"}'))
        db.execute(publish, ("dead", '{"n": "no number"}'))
    hostile.publish(300)
    hostile.change(100)
    relay = hostile.start("--until-empty")
    assert relay.wait(60) == 0, hostile.log(relay)
    assert "is away" not in hostile.log(relay)
    assert "refuses" not in hostile.log(relay)
    assert {record.key for record in hostile.records()[f"{hostile.name}.things"]} >= {"ключ-鍵-🔑".encode()}
    status = hostile.bridge("status", "--json")
    assert data_of(status.stdout)["shards"][0]["pending"] == 0, status.stderr
    (dead,) = data_of(hostile.bridge("dead", "list", "--json").stdout)
    assert dead["died_at"].endswith("+00:00")
    assert hostile.bridge("dead", "retry", dead["event_id"]).returncode == 0
    hostile.drain()
    assert hostile.bridge("dead", "skip", "--all", "--yes", "--reason", "鍵").returncode == 0
    for command in (["verify"], ["recover", "--dry-run"], ["migrate"], ["status"]):
        done = hostile.bridge(*command)
        assert done.returncode == 0, (command, done)
    with hostile.connect() as db:
        db.execute(sql.SQL("alter database {} reset all").format(sql.Identifier(db.info.dbname)))
    assert hostile.audit().is_clean


@pytest.mark.parametrize("style", [STYLES[0], *at_length(*STYLES[1:])])
def test_a_batch_in_flight_is_read_back(site: Site, style: str) -> None:
    """The ledger holds times, and so does what is parked."""
    with site.connect() as db:
        db.execute("select bridge.set_shard_count(1)")
        later = "insert into bridge.event_queue (event_type, event_key, payload, available_at) values (%s, %s, %s, %s)"
        db.execute(later, ("thing.changed", "later", '{"n": 1}', "9999-02-03 04:05:06"))
        db.execute(later, ("thing.changed", "dead", '{"n": "no number"}', None))
    site.publish(100)
    site.start(failpoint="published:kill").wait(60)
    assert site.scalar("select jsonb_array_length(in_flight -> 'changes') from bridge.shard") == 2
    with site.connect() as db:
        set_for_all(db, "DateStyle", style)
    relay = site.start()
    eventually(lambda: site.pending() == 1)
    site.end(relay)
    with site.connect() as db:
        db.execute("set DateStyle = ISO; set TimeZone = UTC")
        due = db.execute("select due_at::text from bridge.parked where state = 'deferred'").fetchone()
    assert due == ("9999-02-03 04:05:06+00",)
    assert site.bridge("dead", "list").stdout.count("dead since") == 1
    assert site.audit().is_clean


@pytest.fixture
def encoded(site: Site, servers: Endpoints) -> Iterator[dict[str, str]]:
    """URLs of empty databases by their encodings."""
    names = {encoding: f"bridge_test_{secrets.token_hex(4)}" for encoding in ("LATIN1", "SQL_ASCII", "EUC_JP")}
    with psycopg.connect(servers.database_url, autocommit=True) as db:
        for encoding, name in names.items():
            options = f"encoding '{encoding}' locale_provider libc locale 'C' template template0"
            db.execute(f"create database {name} {options}")
        server = urlsplit(servers.database_url)
        yield {encoding: server._replace(path=f"/{name}").geturl() for encoding, name in names.items()}
        for process in site.processes:
            process.kill()
            process.wait()
        for name in names.values():
            db.execute(f"drop database {name} with (force)")


def test_an_encoding_that_says_nothing_is_refused_before_anything_is_written(encoded: dict[str, str]) -> None:
    url = encoded["SQL_ASCII"]
    for attempt in (migrate, plan):
        with pytest.raises(MigrationError, match="has the encoding SQL_ASCII") as refused:
            attempt(url)
        assert "template0" in str(refused.value)
    with connect(url) as db:
        assert db.execute("select count(*) from pg_namespace where nspname in ('bridge', 'crm')").fetchone() == (0,)
        with pytest.raises(MigrationError, match="SQL_ASCII"):
            require_current(db)


@pytest.mark.parametrize(("encoding", "text"), [("LATIN1", "Ärger"), ("EUC_JP", "鍵")])
def test_other_encodings_work(site: Site, encoded: dict[str, str], encoding: str, text: str) -> None:
    """What the database can hold arrives as UTF-8; its own reasons and texts are ASCII or come from it."""
    url = encoded[encoding]
    migrate(url)
    site.roles.grant(url)
    site.use_database(url)
    with connect(url) as db:
        publish = "select bridge.publish_event(%s, %s, %s)::text"
        site.written.update(db.execute(publish, ("thing.changed", text, json.dumps({"n": 1, "text": text}))).fetchone())
        db.execute(publish, (f"unknown.{text}", text, json.dumps({text: text})))
        db.execute(publish, ("thing.changed", f"dead {text}", json.dumps({"n": text})))
    site.change(10)
    relay = site.start("--until-empty")
    assert relay.wait(60) == 0, site.log(relay)
    assert site.records()[f"{site.name}.things"][0].key == text.encode()
    assert text in site.bridge("dead", "list").stdout
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    assert site.bridge("verify").returncode == 0
    assert conninfo_to_dict(url)["dbname"] in str(site.settings.database.url)
