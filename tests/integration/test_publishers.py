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
def urls(database: str) -> Iterator[tuple[str, str]]:
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


def test_a_publisher_can_publish_and_nothing_else(urls: tuple[str, str]) -> None:
    with session(urls[0]) as db:
        db.execute(PUBLISH)
        with pytest.raises(errors.ReservedName):
            db.execute("select bridge.publish_event('entity.changed', 'contacts:1', '{}')")
        for forbidden in (
            "insert into bridge.event_queue (event_type, event_key, payload) values ('a', 'k', '{}')",
            "insert into bridge.history (shard, entity_type, entity_id, action) values (0, 't', '1', 'TRUNCATE')",
            "insert into bridge.outbox (shard, event_type, event_key, payload) values (0, 'a', 'k', '{}')",
            "insert into bridge.entity_events (entity_type, entity_id, action) values ('t', '1', 'TRUNCATE')",
            "select from bridge.event_queue",
            "select from bridge.parked",
            "update bridge.shard set cursor = 0",
            "delete from bridge.outbox",
            "select nextval('bridge.event_seq')",
            "select setval('bridge.event_seq', 1)",
            "select bridge.settle_changes('t', '1')",
            "select bridge.refresh_tracking()",
            "select bridge.repair_numbers()",
            "select bridge.highest_seq()",
            "select bridge.retry_dead(bridge.new_event_id())",
            "select bridge.refuse_event('', '', '{}', '{}')",
            "create trigger t after insert on bridge.outbox execute function bridge.insert_event()",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                db.execute(forbidden)


@pytest.mark.parametrize("granted", ["insert", "insert, select", "all"])
def test_who_may_insert_into_a_view_needs_no_other_right(urls: tuple[str, str], database: str, granted: str) -> None:
    """But to draw a number; and can change nothing that was written, whatever else is granted on the view."""
    with psycopg.connect(database, autocommit=True) as db, session(urls[1]) as writer:
        db.execute(f"grant usage on schema bridge to {writer.info.user}")
        db.execute(f"grant usage on sequence bridge.event_seq to {writer.info.user}")
        inserts = {
            "event_queue": "(event_type, event_key, payload) values ('a', %s, '{}')",
            "entity_events": "(entity_type, entity_id, action) values ('t', %s, 'INSERT')",
        }
        for view, columns in inserts.items():
            db.execute(f"grant {granted} on bridge.{view} to {writer.info.user}")
            insert = f"insert into bridge.{view} {columns}"
            assert writer.execute(insert, ("k",)).rowcount == 1
            if granted == "insert":
                with pytest.raises(errors.InsufficientPrivilege):
                    writer.execute(f"{insert} returning seq", ("k",))
            else:
                assert writer.execute(f"{insert} returning status", ("k",)).fetchone() == ("PENDING",)
            names = columns[: columns.index(")") + 1]
            with writer.cursor().copy(f"copy bridge.{view} {names} from stdin") as copy:
                copy.write_row(("a", "1", "{}" if view == "event_queue" else "INSERT"))
            refused = (errors.ObjectNotInPrerequisiteState, errors.InsufficientPrivilege)  # whichever comes first
            for statement in (f"update bridge.{view} set status = 'DEAD'", f"delete from bridge.{view}"):
                with pytest.raises(refused):
                    writer.execute(statement)
            with pytest.raises(errors.InsufficientPrivilege):
                writer.execute("truncate bridge.outbox")
            count = db.execute(f"select count(*), count(*) filter (where status = 'PENDING') from bridge.{view}")
            assert count.fetchone() == ((2, 2) if granted == "insert" else (3, 3))


@pytest.mark.parametrize("view", ["event_queue", "entity_events"])
def test_nobody_can_change_what_was_written_through_a_view(database: str, view: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        for statement in (f"update bridge.{view} set status = 'PROCESSED'", f"delete from bridge.{view}"):
            with pytest.raises(errors.ObjectNotInPrerequisiteState):
                db.execute(statement)


def test_a_publishers_own_functions_are_not_called(urls: tuple[str, str], database: str) -> None:
    """They come first in its search_path, and would run as the owner."""
    with psycopg.connect(database, autocommit=True) as db, session(urls[0]) as publisher:
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
        db.execute(f"grant insert on bridge.event_queue, bridge.entity_events to {publisher.info.user}")
        db.execute(f"grant usage on sequence bridge.event_seq to {publisher.info.user}")
        publisher.execute("insert into bridge.event_queue (event_type, event_key, payload) values ('a', 'k', '{}')")
        publisher.execute(
            "insert into bridge.entity_events (entity_type, entity_id, action) values ('a', 'k', 'INSERT')"
        )
        assert db.execute("select count(*) from bridge.event_queue").fetchone() == (2,)


def test_a_stranger_can_make_a_keys_publishers_wait_unless_the_locks_are_taken_away(
    urls: tuple[str, str], database: str
) -> None:
    functions = re.findall(r"pg_\w+", REVOKE)
    assert len(functions) == 8
    with session(urls[0]) as publisher, session(urls[1]) as stranger:
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
