"""The fence in the statements themselves: who is not the holder any more writes, settles and parks nothing."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from fix_relay import eventually

from bridge.encoding.encoder import Encoder
from bridge.encoding.limits import TopicLimits
from bridge.errors import LeaseLost, LimitsUnsure
from bridge.event import Event
from bridge.postgres.connection import connect
from bridge.postgres.queries import query
from bridge.postgres.script import program
from bridge.postgres.store import Store
from bridge.settings import Encoding, RelaySettings, Route, Settings
from bridge.shard.ledger import InFlight, Ledger
from bridge.shard.parked import Change, Parked, State
from bridge.shard.ports import Read
from bridge.shard.position import Pair, Position, Scanner, Snapshot

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


def claimed(held: Ledger, in_flight: InFlight | None = None) -> Ledger:
    return held.claimed(uuid4(), held.position, in_flight or InFlight(held.position, 0, 0, ()))


def carried(store: Store, held: Ledger, *changes: Change) -> InFlight:
    """A batch of all that is unread, but for what it parks."""
    scanner = Scanner(held.position)
    read = store.reader.read(scanner.start(), None)
    parked = {change.seq for change in changes}
    published = [event.source for event in read.events if event.seq not in parked]
    position = scanner.scanned(read.scan)
    return InFlight(position, published.count("event_queue"), published.count("entity_events"), changes)


def buried(event: Event) -> Change:
    row = Parked.of(event, "topic", State.DEAD, blocks=True)._replace(reason="it did not fit")
    return Change(event.seq, None, row)


def unread(store: Store, held: Ledger) -> Read:
    return store.reader.read(Scanner(held.position).start(), None)


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


def test_no_lease_is_for_who_is_too_old_for_the_database(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """A relay may have looked before the migration told, and take a shard after it."""
    a, _ = stores
    a.take()
    told = (
        "insert into bridge.schema_migration (layer, file, checksum, oldest_program)"
        " values ('engine', 'migrations/9999_future.sql', null, %s)"
    )
    db.execute(told, (program() + 1,))
    with pytest.raises(LeaseLost, match="too old"):
        a.take()
    db.execute("update bridge.schema_migration set oldest_program = %s where file ~ '9999'", (program(),))
    a.take()


EVERYTHING = (
    "select (select array_agg(s) from bridge.shard as s), (select array_agg(p order by seq) from bridge.parked as p),"
    " (select array_agg(t) from bridge.tick as t)"
)


def hold_with_parked(db: psycopg.Connection, store: Store) -> tuple[Ledger, InFlight]:
    """A dead event that is to be tried again, one that waits, and a batch of both that also parks a third."""
    held = store.take()
    write(store, held, held := claimed(held))
    for key in ("k", "l"):
        db.execute("select bridge.publish_event('thing.changed', %s, '{}')", (key,))
    first, second, third = unread(store, held).events
    waiting = Change(second.seq, None, Parked.of(second, "topic", State.WAITING, blocks=True))
    write(store, held, held := claimed(held, carried(store, held, buried(first), waiting)))
    write(store, held, held := claimed(held))
    db.execute("select bridge.retry_dead(%s)", (first.id,))
    changes = (Change(first.seq, None, None), Change(second.seq, None, None), buried(third))
    return held, InFlight(held.position, 2, 0, changes)


def write(store: Store, ours: Ledger, new: Ledger) -> None:
    store.write(ours, new, ours.in_flight, with_tick=True)


def test_who_was_taken_over_writes_settles_and_parks_nothing(
    db: psycopg.Connection, stores: tuple[Store, Store]
) -> None:
    a, b = stores
    held, in_flight = hold_with_parked(db, a)
    db.execute("update bridge.shard set lease_until = clock_timestamp() - interval '1 second'")
    b.take()
    before = db.execute(EVERYTHING).fetchone()
    with pytest.raises(LeaseLost):
        a.write(held, claimed(held), in_flight, with_tick=True)
    assert not a.stop(held, "a contradiction that is none")
    a.release(held)
    assert db.execute(EVERYTHING).fetchone() == before


def test_who_finds_another_batch_id_writes_settles_and_parks_nothing(
    db: psycopg.Connection, stores: tuple[Store, Store]
) -> None:
    """The database was restored under a living relay; generations may be equal, batch ids are not."""
    a, _ = stores
    held, in_flight = hold_with_parked(db, a)
    db.execute("update bridge.shard set batch_id = gen_random_uuid()")
    before = db.execute(EVERYTHING).fetchone()
    with pytest.raises(LeaseLost):
        a.write(held, claimed(held), in_flight, with_tick=True)
    assert db.execute(EVERYTHING).fetchone() == before


def test_the_holder_settles_and_parks(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """What had been dead is remembered, what only waited is not."""
    a, _ = stores
    held, in_flight = hold_with_parked(db, a)
    a.write(held, claimed(held), in_flight)
    rows = db.execute("select seq, state, blocks, deaths, reason from bridge.parked order by seq").fetchall()
    assert rows == [(1, "published", False, 1, "it did not fit"), (3, "dead", True, 1, "it did not fit")]
    totals = db.execute("select event_queue_processed, event_queue_dead from bridge.shard").fetchone()
    assert totals == (3, 1)  # one of the batch before it


def test_what_is_in_flight_is_read_back(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    a, _ = stores
    held = a.take()
    write(a, held, held := claimed(held))
    (event,) = unread(a, held).events
    row = Parked.of(event, "a topic", State.WAITING, blocks=True)
    changes = (
        Change(1, None, row),
        Change(
            2, None, row._replace(seq=2, source="entity_events", state=State.DEFERRED, blocks=False, due_us=-(1 << 40))
        ),
        Change(3, None, row._replace(seq=3, state=State.DEAD, reason='"\n\x7f', waits_for="another")),
        Change(4, None, None),
    )
    seen = Snapshot((1 << 40) + 3, (1 << 41) + 3, ((1 << 40) + 3, (1 << 40) + 5))
    for late in (None, Pair(4, seen)):
        position = Position(3, Pair(1 << 62, Snapshot(5, 9, ())), late)
        held_in_flight = InFlight(position, 7, 8, changes)
        new = held.claimed(uuid4(), position, held_in_flight)
        a.write(held, new, None)
        held = a.take()
        assert (held.position, held.in_flight) == (position, held_in_flight)
        assert (held.batch_no, held.batch_id, held.previous_id) == (new.batch_no, new.batch_id, new.previous_id)


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
    b.write(held, held := claimed(held), None)
    b.release(held)
    with pytest.raises(LeaseLost):  # writing its ledger is not enough
        a.take()


def test_numbers_are_repaired_under_a_relay(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """What no batch has read gets a new number, in the order of writing; no former number can be claimed."""
    a, _ = stores
    held = a.take()
    write(a, held, held := claimed(held))
    settled = carried(a, held)
    write(a, held, held := claimed(held, settled))
    db.execute("select bridge.publish_event('thing.changed', 'k', '{}')")
    held_before, held = held, held.settled()
    in_flight = carried(a, held)
    a.write(held_before, held := claimed(held, in_flight), settled)
    assert db.execute("select bridge.repair_numbers()").fetchone() == (0,), "nothing is wrong"
    db.execute("select setval('bridge.event_seq', 1, false)")
    db.execute("select bridge.publish_event('thing.changed', 'other', '{}')")
    db.execute("update bridge.shard set renumber = true")
    db.execute("select bridge.publish_event('thing.changed', 'k', '{}')")
    assert db.execute("select seq from bridge.outbox order by created_at, seq").fetchall() == [(1,), (2,), (1,), (2,)]
    assert db.execute("select bridge.repair_numbers()").fetchone() == (2,)
    with pytest.raises(LeaseLost):
        a.write(held, claimed(held, carried(a, held)), held.in_flight)
    rows = db.execute("select event_key, seq, status from bridge.event_queue order by created_at").fetchall()
    assert rows == [("k", 1, "PROCESSED"), ("k", 2, "PENDING"), ("other", 3, "PENDING"), ("k", 4, "PENDING")]
    assert [event.seq for event in unread(a, a.take()).events] == [2, 3, 4]


def test_numbers_that_are_given_twice_stop_all_shards(
    database: str, db: psycopg.Connection, stores: tuple[Store, Store]
) -> None:
    """Another one has lower numbers, or is at work: it would park events under numbers of this one's parked ones."""
    db.execute("insert into bridge.shard (shard) values (1), (2)")
    db.execute("update bridge.shard set stopped = 'restored' where shard = 2")
    a, _ = stores
    with connect(database) as conn:
        other = Store(conn, 1, "c", RELAY)
        held, helds = a.take(), other.take()
        assert other.reader.numbers() == a.reader.numbers() == (1, 1)
        behind = Position(4, Pair(9, Snapshot(5, 9, ())))
        a.write(held, claimed(held, InFlight(behind, 0, 0, ())), None)
        assert other.reader.numbers() == (1, 9)
        assert a.stop(held, "shard 0 is stopped: why", renumber=True)
        with pytest.raises(LeaseLost):
            other.write(helds, claimed(helds), None)
    rows = db.execute("select stopped, renumber, owner from bridge.shard order by shard").fetchall()
    told = ["shard 0 is stopped: why", "shard 1 is stopped: why", "restored"]
    assert rows == [(why, True, None) for why in told]


def test_only_a_settling_alone_may_be_lost_by_a_crash(
    db: psycopg.Connection, stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = stores
    asked: list[psycopg.Cursor] = []
    monkeypatch.setattr(
        "bridge.postgres.store.failpoint", lambda _: asked.append(a.conn.execute("show synchronous_commit"))
    )
    held = a.take()
    in_flight = carried(a, held)
    a.write(held, held := claimed(held, in_flight), None)
    assert status(db) == "PENDING"
    a.write(held, held.settled(), in_flight, lazily=True)
    assert [cursor.fetchone() for cursor in asked] == [("on",), ("off",)]
    assert db.execute("show synchronous_commit").fetchone() == ("on",)
    assert status(db) == "PROCESSED"


def test_a_look_shows_what_another_read_could_find(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """A number that was drawn, and later the end of its transaction: an idle relay reads for these and nothing else."""
    a, _ = stores
    drawn, _ = a.reader.look()
    with db.transaction():
        db.execute("select bridge.publish_event('thing.changed', 'k', '{}')")
        drawn_later, seen = a.reader.look()
        assert drawn_later == drawn + 1
    drawn_last, seen_last = a.reader.look()
    assert drawn_last == drawn_later
    assert seen_last != seen
    read = unread(a, a.take())
    assert (read.scan.drawn, len(read.events)) == (drawn_last, 2)


def test_what_is_in_flight_is_not_released_again(db: psycopg.Connection, stores: tuple[Store, Store]) -> None:
    """Until it is settled, the parked row is as it was."""
    a, _ = stores
    hold_with_parked(db, a)
    retried, waiting = a.reader.free([], [], None).seqs
    assert a.reader.free([], [retried], None).seqs == [waiting]
    assert a.reader.free([], [retried, waiting], None).seqs == []
    assert a.reader.free(["topic"], [], None).seqs == []
    assert a.reader.free(["another"], [], None).seqs == [retried, waiting]


def test_nothing_comes_due_between_a_look_and_the_time_of_the_next(
    db: psycopg.Connection, stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be forgotten, because only a look tells when to look again."""
    a, _ = stores
    (event,) = unread(a, a.take()).events
    park_all(db, [event])
    db.execute("update bridge.parked set state = 'deferred', due_at = clock_timestamp() + interval '1 hour'")
    free = a.reader.free([], [], None)
    assert free.seqs == []
    assert free.due_in is not None

    def asked_when_due(name: str) -> str:
        if name == "still_parked":
            eventually(lambda: db.execute("select due_at < clock_timestamp() from bridge.parked").fetchone() == (True,))
        return query(name)

    monkeypatch.setattr("bridge.postgres.reading.query", asked_when_due)
    db.execute("update bridge.parked set due_at = clock_timestamp() + interval '0.5 seconds'")
    free = a.reader.free([], [], None)
    assert free.seqs or free.due_in is not None


def test_a_look_tells_what_stopped_a_topic_when_it_looked(
    db: psycopg.Connection, stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no later: another shard's event may be published before the next statement, and nobody would look again."""
    a, _ = stores
    hold_with_parked(db, a)
    stopping, waiting = a.reader.free([], [], None).seqs
    db.execute("update bridge.parked set state = 'dead', stops = true where seq = %s", (stopping,))

    def once_it_goes_on(name: str) -> str:
        if name == "still_parked":
            a.conn.execute("select 1").fetchone()  # the statement before was sent, and is done
            db.execute("update bridge.parked set state = 'published', stops = false where seq = %s", (stopping,))
        return query(name)

    monkeypatch.setattr("bridge.postgres.reading.query", once_it_goes_on)
    free = a.reader.free([], [], None)
    assert (free.seqs, free.stops) == ([], {"topic": stopping})
    free = a.reader.free([], [], None)
    assert (free.seqs, free.stops) == ([waiting], {})


@pytest.mark.parametrize("is_early", [True, False], ids=["while it is sent", "when it is received"])
def test_a_read_ahead_that_fails(
    db: psycopg.Connection, stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, is_early: bool
) -> None:
    """The batch that is being published has nothing to do with it; the next read tells."""
    db.execute("select bridge.publish_event('t', 'k', '{}')")
    a, _ = stores
    start = Scanner(a.take().position).start()
    good, execute = a.reader._finished.read_pending, a.conn.execute

    def once_the_error_is_here(statement: str, *arguments: Any, **options: Any) -> Any:
        if statement == "commit" and is_early:
            assert select.select([a.conn.pgconn.socket], [], [], 10)[0]
        return execute(statement, *arguments, **options)

    a.reader._finished.read_pending = b"select 1 / 0"
    monkeypatch.setattr(a.conn, "execute", once_the_error_is_here)
    assert a.reader.send(start, None)() is None
    monkeypatch.undo()
    a.reader._finished.read_pending = good
    assert a.reader.read(start, None).events


# More than a gigabyte of text in 2.5 kB: Postgres keeps a number's zeros as their count.
TOO_LONG = "(select jsonb_build_object('numbers', jsonb_agg('1e131071'::jsonb)) from generate_series(1, 9000))"
UNREADABLE = {
    "payload": f"select bridge.publish_event('t', 'bad', {TOO_LONG})",
    "headers": f"select bridge.publish_event('t', 'bad', '{{}}', {TOO_LONG})",
    "new_state": "insert into bridge.entity_events (entity_type, entity_id, action, new_state)"
    f" values ('t', 'bad', 'UPDATE', {TOO_LONG})",
}


def read_all(store: Store) -> list[Event]:
    """What a shard reads, read after read."""
    scanner, found, cut = Scanner(store.take().position), [], True
    while cut:
        read = store.reader.read(scanner.start(), None)
        scanner.scanned(read.scan)
        found += read.events
        cut = read.scan.cut
    return found


def park_all(db: psycopg.Connection, events: list[Event]) -> None:
    statement = (
        "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks)"
        " values (%s, %s, %s, 'epoch'::timestamptz + %s * interval '1 us', 0, 'topic', %s, 'waiting', true)"
    )
    for event in events:
        db.execute(statement, (event.seq, event.source, event.id, event.created_us, event.key_hash))


def free_all(store: Store) -> list[Event]:
    """What may be tried, look after look, when all that was parked waits for nothing."""
    found: list[Event] = []
    while (free := store.reader.free([], [event.seq for event in found], None)).released:
        found += [event for event, _ in free.released]
    return found


@pytest.mark.parametrize("is_parked", [False, True], ids=["new", "parked"])
@pytest.mark.parametrize(
    "row", [*(pytest.param(row, marks=pytest.mark.long) for row in ("payload", "headers")), "new_state"]
)
def test_a_row_that_postgres_cannot_make_text_of(
    db: psycopg.Connection, stores: tuple[Store, Store], row: str, is_parked: bool
) -> None:
    """It is read without its content, and all others are read whole."""
    for n in range(3):
        db.execute("select bridge.publish_event('t', %s, '{\"n\": 1}')", (f"a{n}",))
    db.execute(UNREADABLE[row])
    for n in range(3):
        db.execute("select bridge.publish_event('t', %s, '{\"n\": 1}')", (f"b{n}",))
    a, _ = stores
    events = read_all(a)
    if is_parked:
        park_all(db, events)
        events = free_all(a)
    bad = [event for event in events if not event.payload]
    assert [event.key.removeprefix("t:") for event in bad] == ["bad"]
    assert bad[0].headers is None
    assert [event.seq for event in events] == list(range(1, 9))


@pytest.mark.parametrize("is_parked", [False, True], ids=["new", "parked"])
@pytest.mark.parametrize("column", ["headers", "payload", "event_key", "event_type"])
def test_a_row_that_holds_bytes_which_are_no_text(
    db: psycopg.Connection,
    database: str,
    stores: tuple[Store, Store],
    column: str,
    is_parked: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settings of a connection's start are not checked by Postgres, and may be put into a row."""
    values = {"event_type": "'t'", "event_key": "'bad'", "payload": "'{\"n\": 1}'", "headers": "'{}'"}
    bytes_ = "current_setting('test.bytes')"
    values[column] = f"'t' || {bytes_}" if column.startswith("event") else f"jsonb_build_object('x', {bytes_})"
    insert = f"insert into bridge.event_queue ({', '.join(values)}) values ({', '.join(values.values())})"
    db.execute("select bridge.publish_event('t', 'a', '{\"n\": 1}')")
    monkeypatch.setenv("PGOPTIONS", "-c test.bytes=\udcff -c bridge.traceparent=\udcff")
    with psycopg.connect(database, autocommit=True) as writer:
        writer.execute(insert.encode())
        writer.execute("select bridge.publish_event('t', 'b', '{\"n\": 1}')")
    monkeypatch.delenv("PGOPTIONS")
    a, _ = stores
    events = read_all(a)
    if is_parked:
        park_all(db, events)
        events = free_all(a)
    assert [event.key for event in events if event.payload] == ["k", "a", "b"]
    assert len([event for event in events if not event.payload]) == 1


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
        " where i.inhparent = 'bridge.outbox'::regclass"
    ).fetchall():
        db.execute(f"select heap_force_kill('{toast}'::regclass, array(select ctid from {toast}))")
    a, _ = stores
    events = read_all(a)
    park_all(db, events)
    for found in (events, free_all(a)):
        assert [(event.key, event.payload == "") for event in found] == [("k", False), ("bad", True), ("good", False)]


@pytest.mark.parametrize("is_parked", [False, True], ids=["new", "parked"])
def test_what_was_cut_off_is_read_again_where_more_is_accepted_since(
    db: psycopg.Connection, database: str, monkeypatch: pytest.MonkeyPatch, is_parked: bool
) -> None:
    """Another shard's thread has read the limits meanwhile: as JSON, what is left would pass for the whole."""
    monkeypatch.setattr("bridge.encoding.limits.CUT", 100)
    text = "x" * 300
    db.execute("update bridge.outbox set payload = to_jsonb(%s::text)", (text,))
    limits = TopicLimits({"things": 20})
    settings = Settings(routes=(Route("thing.changed", "things", encoding=Encoding.JSON),))
    encoder = Encoder(settings, lambda _: 0, limits)
    with connect(database) as conn:
        store = Store(conn, 0, "a", RELAY, limits)
        held = store.take()
        (event,) = unread(store, held).events
        if is_parked:
            new = claimed(held, carried(store, held, buried(event)))
            store.write(held, new, None)
            store.write(new, new.settled(), new.in_flight)
            db.execute("select bridge.retry_dead(%s)", (event.id,))
            (event,) = [released.event for released in store.reader.free([], [], None).released]
        limits.update(lambda: {"things": 1000})
        with pytest.raises(LimitsUnsure):
            encoder.record(event)
        if is_parked:
            (event,) = [released.event for released in store.reader.free([], [], None).released]
        else:
            (event,) = unread(store, held).events
        assert encoder.record(event).value == f'"{text}"'.encode()
