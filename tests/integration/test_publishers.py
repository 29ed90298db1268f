"""What a role may do that may only publish, and one that may only connect."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from bridge.resources import resource

PUBLISH = "select bridge.publish_event('thing.changed', 'k', '{\"n\": 1}')"
LOCK = "select {}(hashtextextended('k', 4711))"
# sql/README.md, "Rights"
REVOKE = re.search(r"```sql\n(revoke .*?);\n```", resource("sql", "README.md").read_text("utf-8"), re.DOTALL)[1]
GRANT = """
grant usage on schema bridge to {0};
grant execute on function bridge.set_actor, bridge.publish_event to {0};
"""


@pytest.fixture
def roles(database: str) -> Iterator[tuple[str, str]]:
    """The URLs of a publisher and of one who may only connect."""
    names, password = [f"{what}_{secrets.token_hex(4)}" for what in ("publisher", "stranger")], secrets.token_hex(8)
    with psycopg.connect(database, autocommit=True) as db:
        for name in names:
            db.execute(f"create role {name} login password '{password}'")
        db.execute(GRANT.format(names[0]))
        publisher, stranger = (make_conninfo(database, user=name, password=password) for name in names)
        yield publisher, stranger
        for name in names:
            db.execute(f"drop owned by {name}")
            db.execute(f"drop role {name}")


@contextmanager
def session(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("set lock_timeout = '300ms'")
        yield db


def test_a_publisher_can_publish_and_nothing_else(roles: tuple[str, str]) -> None:
    with session(roles[0]) as db:
        db.execute(PUBLISH)
        with pytest.raises(errors.ReservedName):
            db.execute("select bridge.publish_event('entity.changed', 'contacts:1', '{}')")
        for forbidden in (
            "insert into bridge.event_queue (event_type, event_key, payload) values ('a', 'k', '{}')",
            "insert into bridge.entity_events (entity_type, entity_id, action) values ('t', '1', 'TRUNCATE')",
            "update bridge.event_queue set status = 'DEAD'",
            "select nextval('bridge.event_seq')",
            "select setval('bridge.event_seq', 1)",
            "select bridge.record_change('{}', null, null)",
            "select bridge.repair_numbers()",
            "select bridge.highest_seq()",
            "create trigger t after insert on bridge.event_queue execute function bridge.stamp_event()",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                db.execute(forbidden)


def test_a_publishers_own_functions_are_not_called(roles: tuple[str, str], database: str) -> None:
    """They come first in its search_path, and would run as the owner."""
    with psycopg.connect(database, autocommit=True) as db, session(roles[0]) as publisher:
        db.execute(f"create schema evil authorization {publisher.info.user}")
        for name, arguments, returns in (
            ("nextval", "regclass", "bigint"), ("clock_timestamp", "", "timestamptz"), ("length", "text", "integer"),
            ("jsonb_typeof", "jsonb", "text"), ("pg_current_xact_id", "", "xid8"),
        ):  # fmt: skip
            publisher.execute(
                f"create function evil.{name}({arguments}) returns {returns} language plpgsql"
                f" as $$ begin raise exception 'evil'; end $$"
            )
        publisher.execute("set search_path = evil, pg_catalog")
        publisher.execute(PUBLISH)
        db.execute(f"grant insert on bridge.event_queue to {publisher.info.user}")
        db.execute(f"grant usage on bridge.event_seq to {publisher.info.user}")
        publisher.execute("insert into bridge.event_queue (event_type, event_key, payload) values ('a', 'k', '{}')")
        assert db.execute("select count(*) from bridge.event_queue").fetchone() == (2,)


def test_a_stranger_can_make_a_keys_publishers_wait_unless_the_locks_are_taken_away(
    roles: tuple[str, str], database: str
) -> None:
    functions = re.findall(r"pg_\w+", REVOKE)
    assert len(functions) == 8
    with session(roles[0]) as publisher, session(roles[1]) as stranger:
        stranger.execute(LOCK.format("pg_advisory_lock"))
        with pytest.raises(errors.LockNotAvailable):
            publisher.execute(PUBLISH)
        stranger.execute("select pg_advisory_unlock_all()")
        with psycopg.connect(database, autocommit=True) as db:
            every = "select count(distinct proname) from pg_proc where proname ~ 'advisory' and proname !~ 'unlock'"
            assert db.execute(every).fetchone() == (8,), "Postgres has others"
            db.execute(REVOKE)
        for function in functions:
            with pytest.raises(errors.InsufficientPrivilege):
                stranger.execute(LOCK.format(function))
        publisher.execute(PUBLISH)
