"""Where scans start: no event is passed, and no key is read out of order, whatever commits when."""

from __future__ import annotations

import psycopg
import pytest

from bridge.event import Event
from bridge.postgres.connection import connect
from bridge.postgres.store import Store
from bridge.settings import RelaySettings
from bridge.shard.position import Position

RELAY = RelaySettings(batch_rows=1000, batch_bytes=1_000_000)


class Reader:
    """Scans one database as a relay does, without marking: what was read before counts as in flight."""

    def __init__(self, url: str) -> None:
        self.conn = connect(url)
        shards = self.conn.execute("select shard from bridge.shard").fetchall()
        self.positions = {shard: Position(0) for (shard,) in shards}
        self.read: list[int] = []

    def scan(self, relay: RelaySettings = RELAY) -> list[Event]:
        events: list[Event] = []
        for shard, position in self.positions.items():
            scan = Store(self.conn, shard, "test", relay).read(position.start(), self.read, [])
            position.scanned(scan)
            xid = int(self.conn.execute("select pg_current_xact_id()::text").fetchone()[0])  # as a claim does
            position.checkpoint(scan.drawn, xid)
            events += scan.events
        self.read += [event.seq for event in events]
        return events


@pytest.fixture
def reader(database: str):
    reader = Reader(database)
    yield reader
    reader.conn.close()


def write(db: psycopg.Connection, key: str) -> None:
    db.execute("select bridge.publish_event('thing.changed', %s, '{}')", (key,))


def keys(events: list[Event]) -> list[str]:
    return [event.key for event in events]


def test_the_next_scan_reads_a_late_commit_before_its_successor(database: str, reader: Reader) -> None:
    """With the cursor as the only start, `late` number 2 would be read without number 1."""
    with connect(database) as late, connect(database) as other:
        write(other, "before")
        assert keys(reader.scan()) == ["before"]
        late.execute("begin")
        write(late, "late")
        for number in range(5):
            write(other, f"k{number}")
        assert len(reader.scan()) == 5
        late.execute("commit")
        write(other, "late")
        events = reader.scan()
        assert keys(events) == ["late", "late"]
        assert events[0].seq < events[1].seq


def test_an_open_transaction_does_not_make_scans_start_lower(database: str, reader: Reader) -> None:
    with connect(database) as late, connect(database) as other:
        write(other, "before")
        reader.scan()
        late.execute("begin")
        write(late, "late")
        for _ in range(3):
            write(other, "k")
            assert keys(reader.scan()) == ["k"]
            position = next(p for p in reader.positions.values() if p.cursor)
            assert position.cursor > 0
        assert all(position.finished(None) <= 1 for position in reader.positions.values()), "passed an open writer"
        late.execute("commit")
        assert keys(reader.scan()) == ["late"]
        write(other, "k")
        reader.scan()
        reader.scan()
        assert max(position.finished(None) for position in reader.positions.values()) > 1


def test_a_transaction_with_an_early_id_that_draws_late(database: str, reader: Reader) -> None:
    with connect(database) as early, connect(database) as other:
        early.execute("begin")
        early.execute("select pg_current_xact_id()")
        for number in range(5):
            write(other, f"k{number}")
        assert len(reader.scan()) == 5
        write(early, "early")
        write(other, "k9")
        assert keys(reader.scan()) == ["k9"]
        early.execute("commit")
        assert keys(reader.scan()) == ["early"]


def test_a_prepared_transaction_is_an_open_one(database: str, reader: Reader) -> None:
    with connect(database) as late, connect(database) as other:
        if other.execute("show max_prepared_transactions").fetchone()[0] == "0":
            pytest.skip("the server has no prepared transactions")
        late.execute("begin")
        write(late, "late")
        late.execute("prepare transaction 'late'")
        write(other, "k")
        assert keys(reader.scan()) == ["k"]
        other.execute("commit prepared 'late'")
        assert keys(reader.scan()) == ["late"]


def test_a_savepoint_does_not_hide_events(database: str, reader: Reader) -> None:
    with connect(database) as late, connect(database) as other:
        late.execute("begin")
        late.execute("savepoint a")
        write(late, "gone")
        late.execute("rollback to a")
        late.execute("savepoint b")
        write(late, "kept")
        write(other, "k")
        assert keys(reader.scan()) == ["k"]
        late.execute("commit")
        assert keys(reader.scan()) == ["kept"]


def test_a_late_commit_longer_than_a_batch_is_read_before_what_follows(database: str, reader: Reader) -> None:
    """When the scan is cut off below the old cursor, the next one goes on from there, not from the cursor."""
    small = RelaySettings(batch_rows=3)
    with connect(database) as late, connect(database) as other:
        write(other, "before")
        reader.scan()
        late.execute("begin")
        for _ in range(10):
            write(late, "late")
        write(other, "k")
        reader.scan()
        late.execute("commit")
        write(other, "late")
        seqs: list[int] = []
        while events := reader.scan(small):
            seqs += [event.seq for event in events]
        assert len(seqs) == 11
        assert seqs == sorted(seqs)


def test_events_that_are_not_due_are_kept_for_later(database: str, reader: Reader) -> None:
    with connect(database) as other:
        write(other, "k")
        other.execute("update bridge.event_queue set available_at = now() + interval '1 hour'")
        shard = other.execute("select shard, seq from bridge.event_queue").fetchone()
        scan = Store(reader.conn, shard[0], "test", RELAY).read(Position(0).start(), [], [])
        assert scan.events == ()
        assert scan.deferred == (shard[1],)
