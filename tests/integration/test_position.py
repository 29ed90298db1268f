"""Where scans start: no event is passed, none is read twice, and no key out of order, whatever commits when."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from fix_database import unstamped

from bridge.event import Event
from bridge.postgres.connection import connect
from bridge.postgres.queries import query
from bridge.postgres.row import position_columns
from bridge.postgres.store import Store
from bridge.settings import RelaySettings
from bridge.shard.ports import Read
from bridge.shard.position import Position, Scanner

RELAY = RelaySettings(batch_rows=1000, batch_bytes=1_000_000)


class Reader:
    """Scans one database as a relay does, without publishing."""

    def __init__(self, url: str) -> None:
        self.conn = connect(url)
        shards = [shard for (shard,) in self.conn.execute("select shard from bridge.shard order by shard").fetchall()]
        self.stores = {shard: Store(self.conn, shard, "test", RELAY) for shard in shards}
        self.scanners = {shard: Scanner(Position.first()) for shard in shards}
        self.seqs: set[int] = set()  # of all that was read

    def scan(self, limit: int | None = None) -> list[Event]:
        return [event for shard in self.stores for event in self.read(shard, limit).events]

    def read(self, shard: int, limit: int | None = None) -> Read:
        scanner = self.scanners[shard]
        read = self.stores[shard].reader.read(scanner.start(), limit)
        scanner.scanned(read.scan)
        xid = int(self.conn.execute("select pg_current_xact_id()::text").fetchone()[0])  # as a claim does
        scanner.claimed(read.scan.drawn, xid)
        assert read.seqs == sorted(read.seqs)
        assert not self.seqs.intersection(read.seqs), "read twice"
        self.seqs.update(read.seqs)
        return read

    def drain(self, shard: int) -> list[Read]:
        """Scan to the end, which is not where a scan ends that only went up to the cursor of the one before."""
        reads: list[Read] = []
        is_at_end = False
        while not is_at_end:
            is_catching_up = self.scanners[shard].position.late is not None
            reads.append(self.read(shard))
            is_at_end = not reads[-1].scan.cut and not is_catching_up
        return reads

    def starts(self) -> dict[int, int]:
        """Where each shard's next scan starts, if it begins now."""
        found = {}
        for shard, scanner in self.scanners.items():
            start = scanner.start()
            row = self.conn.execute(
                "select bridge.scan_start(%s, %s::text[], %s, %s, %s)",
                (start.position.cursor, list(start.xids), list(start.floors), str(start.next_xid), start.next_floor),
            ).fetchone()
            found[shard] = row[0]
        return found

    def hand_over(self) -> None:
        """To a taker, who knows the positions and nothing else."""
        self.scanners = {shard: Scanner(scanner.position) for shard, scanner in self.scanners.items()}

    def settle(self) -> None:
        """Write the positions down."""
        for shard, scanner in self.scanners.items():
            columns = position_columns(scanner.position)
            assignments = ", ".join(f"{name} = %({name})s" for name in columns)
            statement = f"update bridge.shard set {assignments} where shard = %(shard)s"
            self.conn.execute(statement, columns | {"shard": shard})


@pytest.fixture
def reader(database: str) -> Iterator[Reader]:
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
            assert min(scanner.position.cursor for scanner in reader.scanners.values()) > 1
        assert min(reader.starts().values()) > 1, "each scan passes everything since the open writer began"
        assert all(scanner.position.scan_from <= 1 for scanner in reader.scanners.values()), "passed an open writer"
        late.execute("commit")
        assert min(reader.starts().values()) <= 1
        assert keys(reader.scan()) == ["late"]
        write(other, "k")
        reader.scan()
        reader.scan()
        assert max(scanner.position.scan_from for scanner in reader.scanners.values()) > 1


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


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_late_commit_longer_than_a_batch_is_read_before_what_follows(
    database: str, reader: Reader, is_taken_over: bool
) -> None:
    """When the scan is cut off below the old cursor, the next one goes on from there, not from the cursor."""
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
        while events := reader.scan(3):
            seqs += [event.seq for event in events]
            if is_taken_over:
                reader.hand_over()
        assert len(seqs) == 11
        assert seqs == sorted(seqs)


def test_no_statement_passes_more_numbers_than_it_may(
    database: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One long transaction among many events that were read is found in several scans, some of which find nothing."""
    monkeypatch.setattr("bridge.postgres.reading.PASSED_NUMBERS", 10)
    with connect(database) as late, connect(database) as other:
        shard = other.execute("select bridge.shard_of('late')").fetchone()[0]
        late.execute("begin")
        late.execute("select pg_current_xact_id()")
        for number in range(50):
            write(other, f"k{number}")
        write(late, "late")
        for number in range(50):
            write(other, f"k{number}")
        for each in reader.stores:
            reader.drain(each)
        assert len(reader.seqs) == 100
        late.execute("commit")
        write(other, "late")
        reads = reader.drain(shard)
        assert [len(read.events) for read in reads if read.events] == [1, 1]
        assert [read.events == () for read in reads[:3]] == [True] * 3
        assert keys([event for read in reads for event in read.events]) == ["late", "late"]


def test_events_that_are_not_due_are_told_from_the_others(database: str, reader: Reader) -> None:
    with connect(database) as other:
        insert = (
            "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
            " values ('thing.changed', 'k', '{}', now() + %s::interval)"
            " returning seq, shard, extract(epoch from available_at)"
        )
        later, shard, due = other.execute(insert, ("1 hour",)).fetchone()
        now, *_ = other.execute(insert, ("0",)).fetchone()
        read = reader.read(shard)
        assert read.seqs == [later, now]
        assert read.obstacles.keys() == {later}
        assert read.obstacles[later].due_us == int(due * 1_000_000)


@pytest.mark.parametrize("source", ["event_queue", "entity_events"])
def test_an_event_of_another_databases_transaction_is_noticed(database: str, reader: Reader, source: str) -> None:
    with connect(database) as db:
        write(db, "k")
        rest = {
            "event_queue": "outbox (id, seq, xid, shard, event_type, event_key, payload)"
            " select id, seq, '4000000000003', bridge.shard_of('far'), 't', 'far', '{}'",
            "entity_events": "history (id, seq, xid, shard, entity_type, entity_id, action)"
            " select id, seq, '4000000000003', bridge.shard_of('t:far'), 't', 'far', 'INSERT'",
        }[source]
        with unstamped(db):
            db.execute(
                f"insert into bridge.{rest}"
                " from (select bridge.new_event_id() as id, nextval('bridge.event_seq') as seq) as new"
            )
        foreign = [obstacle.is_foreign for shard in reader.stores for obstacle in reader.read(shard).obstacles.values()]
        assert foreign == [True]


@pytest.mark.parametrize("seed", range(4))
def test_the_views_know_what_was_read(database: str, reader: Reader, seed: int) -> None:
    """Whatever commits when, and wherever scans are cut off; and each event is read once, in the order of its key."""
    chance = random.Random(seed)
    told = "select array_agg(seq) filter (where status = 'PROCESSED'), array_agg(seq) filter (where status = 'PENDING')"
    views = "(select seq, status from bridge.event_queue union all select seq, status from bridge.entity_events) as v"
    change = "insert into bridge.entity_events (entity_type, entity_id, action) values ('thing', %s, 'INSERT')"
    with ExitStack() as stack:
        writers = [stack.enter_context(connect(database)) for _ in range(4)]
        db = stack.enter_context(connect(database))

        def end(writer: psycopg.Connection) -> None:
            writer.execute(chance.choice(["commit", "commit", "rollback"]))

        def check() -> None:
            reader.settle()
            read, unread = (set(seqs or ()) for seqs in db.execute(f"{told} from {views}").fetchone())
            assert read == reader.seqs
            assert unread == {seq for (seq,) in db.execute("select seq from bridge.unread").fetchall()}
            assert not read & unread

        last = dict.fromkeys(range(4), 0)
        for _ in range(150):
            number = chance.randrange(4)
            writer = writers[number]
            step = chance.random()
            if step < 0.5:
                if writer.info.transaction_status == psycopg.pq.TransactionStatus.IDLE and chance.random() < 0.7:
                    writer.execute("begin")
                for _ in range(chance.randrange(6)):
                    if chance.random() < 0.5:
                        writer.execute(change, (str(number),))
                    else:
                        write(writer, f"thing:{number}")  # a key that no other writer has
            elif step < 0.7:
                end(writer)
            else:
                for event in reader.scan(chance.choice([1, 2, 5, None])):
                    writer_no = int(event.key[-1])
                    assert event.seq > last[writer_no]
                    last[writer_no] = event.seq
                check()
                if chance.random() < 0.2:
                    reader.hand_over()
        for writer in writers:
            end(writer)
        for _ in range(100):
            reader.scan(5)
        check()
        assert db.execute("select count(*) from bridge.unread").fetchone() == (0,)


@pytest.mark.parametrize("name", ["bound", "look"])  # that none asks in another way, tests/unit/test_sql_files.py knows
def test_no_number_counts_as_drawn_before_it_is(database: str, name: str) -> None:
    """nextval() shows who reads the sequence as a table, for a moment, what it writes to the log: up to 32 more.

    Then a writer that began later would draw below the place where its transaction's events are looked for.
    """
    statement = query(name)
    ending = threading.Event()

    def draw() -> None:
        with connect(database) as writer:
            while not ending.is_set():
                writer.execute("select count(nextval('bridge.event_seq')) from generate_series(1, 20000)")

    with ThreadPoolExecutor(2) as pool, connect(database) as db:
        writers = [pool.submit(draw) for _ in range(2)]
        try:
            db.execute(
                "do $do$ declare former bigint := 0; drawn bigint; begin for n in 1..100000 loop"
                f" execute $query${statement}$query$ into drawn;"
                " if drawn < former then raise exception '% after %', drawn, former; end if;"
                " former := drawn; end loop; end $do$".encode()
            )
        finally:
            ending.set()
    assert [writer.result() for writer in writers] == [None, None]
