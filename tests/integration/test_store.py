"""The fence in the statements themselves: who is not the holder any more writes and marks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from bridge.errors import LeaseLost
from bridge.event import DeadLetter, Event
from bridge.postgres.connection import connect
from bridge.postgres.store import Store
from bridge.settings import RelaySettings
from bridge.shard.ledger import NOTHING, Ledger, Outcomes
from bridge.shard.position import Position, Start

RELAY = RelaySettings()


@pytest.fixture
def db(database: str) -> Iterator[psycopg.Connection]:
    with connect(database) as db:
        db.execute("select bridge.set_shard_count(1)")
        db.execute("select bridge.publish_event('thing.changed', 'k', '{}')")
        yield db


@pytest.fixture
def stores(database: str) -> Iterator[tuple[Store, Store]]:
    with ExitStack() as stack:
        a, b = (Store(stack.enter_context(connect(database)), 0, owner, RELAY) for owner in "ab")
        yield a, b


def claimed(held: Ledger) -> Ledger:
    return held.claimed(uuid4(), NOTHING)


def the_event(store: Store) -> Outcomes:
    events: list[Event] = store.read(Position(0).start(), [], []).events
    assert len(events) == 1
    return Outcomes.of(events, [])


def status(db: psycopg.Connection) -> str:
    return str(db.execute("select status from bridge.event_queue").fetchone()[0])


def test_the_lease_is_for_one(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    a, b = stores
    first = a.take()
    with pytest.raises(LeaseLost):
        b.take()
    assert a.take().generation == first.generation + 1
    db.execute("update bridge.shard set lease_until = clock_timestamp() - interval '1 second'")
    assert b.take().generation == first.generation + 2


def test_who_was_taken_over_writes_and_marks_nothing(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    a, b = stores
    held = a.take()
    held = a.write(held, claimed(held), NOTHING).ledger
    outcomes = the_event(a)
    db.execute("update bridge.shard set lease_until = clock_timestamp() - interval '1 second'")
    b.take()
    before = db.execute("select * from bridge.shard").fetchone()
    with pytest.raises(LeaseLost):
        a.write(held, claimed(held), outcomes)
    assert db.execute("select * from bridge.shard").fetchone() == before
    assert status(db) == "PENDING"
    assert not a.stop(held, "a contradiction that is none")
    a.release(held)
    assert db.execute("select * from bridge.shard").fetchone() == before


def test_who_finds_another_batch_id_writes_and_marks_nothing(
    db: psycopg.Connection, stores: tuple[Store, Store]
) -> None:
    """The database was restored under a living relay; generations may be equal, batch ids are not."""
    a, _ = stores
    held = a.take()
    held = a.write(held, claimed(held), NOTHING).ledger
    outcomes = the_event(a)
    db.execute("update bridge.shard set batch_id = gen_random_uuid()")
    with pytest.raises(LeaseLost):
        a.write(held, claimed(held), outcomes)
    assert status(db) == "PENDING"


def test_a_claim_does_not_overwrite_where_a_retry_set_scans_back(
    db: psycopg.Connection, stores: tuple[Store, Store]
) -> None:
    a, _ = stores
    held = replace(a.take(), scan_from=0)
    held = a.write(held, replace(claimed(held), scan_from=50), NOTHING).ledger
    assert held.scan_from == 50
    db.execute("update bridge.shard set scan_from = 7")
    written = a.write(held, replace(claimed(held), scan_from=60), NOTHING).ledger
    assert written.scan_from == 7
    assert db.execute("select scan_from from bridge.shard").fetchone() == (7,)


def test_a_stopped_shard_is_taken_by_a_person_only(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    a, b = stores
    with pytest.raises(LeaseLost):
        a.take_stopped()
    assert a.stop(a.take(), "why")
    with pytest.raises(psycopg.errors.ObjectInUse, match="shard 0 is stopped"):
        db.execute("select bridge.set_shard_count(2)")
    for store in stores:
        with pytest.raises(LeaseLost):
            store.take()
    held = b.take_stopped()
    b.write(held, claimed(held), NOTHING)
    assert db.execute("select stopped from bridge.shard").fetchone() == (None,)


def test_numbers_are_repaired_under_a_relay(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """What was claimed keeps its number, and is marked; what was only read cannot be claimed any more."""
    a, _ = stores
    held = a.take()
    held = a.write(held, held.claimed(uuid4(), the_event(a)), NOTHING).ledger
    db.execute("select bridge.publish_event('thing.changed', 'k', '{}')")
    scan = a.read(Position(0).start(), held.outcomes.seqs, [])
    assert db.execute("select bridge.repair_numbers()").fetchone() == (0,), "nothing is wrong"
    db.execute("select setval('bridge.event_seq', 1, false)")
    db.execute("select bridge.publish_event('thing.changed', 'other', '{}')")
    db.execute("update bridge.shard set renumber = true")
    assert db.execute("select bridge.repair_numbers()").fetchone() == (2,)
    with pytest.raises(LeaseLost):
        a.write(held, held.claimed(uuid4(), Outcomes.of(scan.events, [])), held.outcomes)
    held = a.take()
    a.write(held, held.settled(), held.outcomes)
    rows = db.execute("select event_key, seq, status from bridge.event_queue order by created_at").fetchall()
    assert rows == [("k", 1, "PROCESSED"), ("k", 3, "PENDING"), ("other", 4, "PENDING")]


def test_only_marks_may_be_lost_by_a_crash(
    db: psycopg.Connection, stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = stores
    asked: list[psycopg.Cursor] = []
    monkeypatch.setattr(
        "bridge.postgres.store.failpoint", lambda _: asked.append(a.conn.execute("show synchronous_commit"))
    )
    held = a.take()
    claim = held.claimed(uuid4(), the_event(a))
    held = a.write(held, claim, NOTHING).ledger
    a.write(held, held.settled(), held.outcomes)
    assert [cursor.fetchone() for cursor in asked] == [("on",), ("off",)]
    assert db.execute("show synchronous_commit").fetchone() == ("on",)
    assert status(db) == "PROCESSED"


def test_a_look_shows_what_another_read_could_find(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """A number that was drawn, and later the end of its transaction: an idle relay reads for these and nothing else."""
    a, _ = stores
    drawn, _ = a.look()
    with db.transaction():
        db.execute("select bridge.publish_event('thing.changed', 'k', '{}')")
        drawn_later, seen = a.look()
        assert drawn_later == drawn + 1
    drawn_last, seen_last = a.look()
    assert drawn_last == drawn_later
    assert seen_last != seen
    scan = a.read(Position(0).start(), [], [])
    assert (scan.drawn, len(scan.events)) == (drawn_last, 2)


def test_what_is_in_flight_is_not_read_again_when_a_retry_sets_scans_back(
    db: psycopg.Connection, stores: tuple[Store, Store]
) -> None:
    """The scan was to begin behind what is in flight, and begins before it instead."""
    a, _ = stores
    held = a.take()
    for key in ("dead", "published"):
        db.execute("select bridge.publish_event('thing.changed', %s, '{}')", (key,))
    first, dead, published = a.read(Position(held.scan_from).start(), [], []).events
    letter = DeadLetter(dead, "it did not fit")
    held = a.write(held, held.claimed(uuid4(), Outcomes.of([first], [letter])), NOTHING).ledger
    in_flight = Outcomes.of([published], [])
    scan_from = published.seq - 1  # all before is finished
    new = replace(held.claimed(uuid4(), in_flight), scan_from=scan_from)
    held = a.write(held, new, held.outcomes).ledger
    assert db.execute("select bridge.retry_dead(%s)", (dead.id,)).fetchone() == (True,)
    behind = Start(published.seq, scan_from, (), (), next_xid=1 << 60, next_floor=published.seq)
    assert [event.id for event in a.read(behind, in_flight.seqs, []).events] == [dead.id]


# More than a gigabyte of text in 2.5 kB: Postgres keeps a number's zeros as their count.
TOO_LONG = "(select jsonb_build_object('numbers', jsonb_agg('1e131071'::jsonb)) from generate_series(1, 9000))"
UNREADABLE = {
    "payload": f"select bridge.publish_event('t', 'bad', {TOO_LONG})",
    "headers": f"select bridge.publish_event('t', 'bad', '{{}}', {TOO_LONG})",
    "new_state": "insert into bridge.entity_events (entity_type, entity_id, action, new_state)"
    f" values ('t', 'bad', 'UPDATE', {TOO_LONG})",
}


def read_all(store: Store) -> list[Event]:
    """What a shard reads, read after read, as if each were published at once."""
    found: list[Event] = []
    while events := store.read(Position(0).start(), [event.seq for event in found], []).events:
        found += events
    return found


@pytest.mark.parametrize(
    "row", [*(pytest.param(row, marks=pytest.mark.hostile) for row in ("payload", "headers")), "new_state"]
)
def test_a_row_that_postgres_cannot_make_text_of(db: psycopg.Connection, stores: tuple[Store, Store], row: str) -> None:
    """It is read without its content, and all others are read whole."""
    for n in range(3):
        db.execute("select bridge.publish_event('t', %s, '{\"n\": 1}')", (f"a{n}",))
    db.execute(UNREADABLE[row])
    for n in range(3):
        db.execute("select bridge.publish_event('t', %s, '{\"n\": 1}')", (f"b{n}",))
    a, _ = stores
    events = read_all(a)
    bad = [event for event in events if not event.payload]
    assert [event.key.removeprefix("t:") for event in bad] == ["bad"]
    assert bad[0].headers is None
    assert [event.seq for event in events] == list(range(1, 9))


def test_a_row_that_is_damaged(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """Its content lies elsewhere, and is gone."""
    try:
        db.execute("create extension pg_surgery")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server comes without pg_surgery, which does the damage")
    text = "(select string_agg(md5(g::text), '') from generate_series(1, 1000) g)"
    db.execute(f"select bridge.publish_event('t', 'bad', jsonb_build_object('text', {text}))")
    db.execute("select bridge.publish_event('t', 'good', '{}')")
    for (toast,) in db.execute(
        "select c.reltoastrelid::regclass::text from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'bridge.event_queue'::regclass"
    ).fetchall():
        db.execute(f"select heap_force_kill('{toast}'::regclass, array(select ctid from {toast}))")
    a, _ = stores
    assert [(event.key, event.payload == "") for event in read_all(a)] == [("k", False), ("bad", True), ("good", False)]
