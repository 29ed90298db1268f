"""The relay's statements keep their plans, whatever ANALYZE saw last, and rows of the outbox are never changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from at_length import at_length
from psycopg import sql

from bridge.postgres.around import EVERY
from bridge.postgres.connection import connect
from bridge.postgres.queries import query
from bridge.postgres.reading import ALL_SEEN, PASSED_NUMBERS
from bridge.postgres.store import Store
from bridge.settings import RelaySettings
from bridge.shard.ledger import InFlight
from bridge.shard.position import Scanner

EVENTS = 20_000
MANY = 400_000  # parked events


@pytest.fixture
def db(database: str) -> Iterator[psycopg.Connection]:
    with connect(database) as db:
        db.execute(query("set_session"), {"is_local": False})
        yield db


def fill(db: psycopg.Connection) -> None:
    db.execute(
        "insert into bridge.event_queue (event_type, event_key, payload)"
        " select 'thing.changed', g::text, jsonb_build_object('n', g) from generate_series(1, %s) g",
        (EVENTS,),
    )
    db.execute(
        "insert into bridge.entity_events (entity_type, entity_id, action, new_state)"
        " select 'thing', g::text, 'INSERT', jsonb_build_object('n', g) from generate_series(1, %s) g",
        (EVENTS // 10,),
    )


def park(db: psycopg.Connection, count: int, state: str, *, key: str = "'key' || g", **columns: str) -> None:
    """Events of shard 1, whose rows are gone; `key` and columns are expressions over 1..count."""
    given = {"blocks": "true", "due_at": "null", "waits_for": "null"} | columns
    names = "seq, source, event_id, at, shard, topic, key_hash, state, blocks, due_at, waits_for"
    db.execute(
        f"insert into bridge.parked ({names}) select coalesce((select max(seq) from bridge.parked), 1000000) + g,"
        f" 'event_queue', gen_random_uuid(), now(), 1, 'topic', hashtextextended({key}, 0), '{state}',"
        f" {given['blocks']}, {given['due_at']}, {given['waits_for']} from generate_series(1, {count}) as g".encode()
    )


def carry(db: psycopg.Connection, shard: int) -> int:
    """Read and settle all of a shard as a relay does, without Kafka."""
    store = Store(db, shard, "test", RelaySettings(batch_rows=1000))
    held = store.take()
    scanner, carried, is_cut = Scanner(held.position), 0, True
    while is_cut:
        before = scanner.position
        read = store.reader.read(scanner.start(), None)
        is_cut = read.scan.cut
        new = held.claimed(uuid4(), before, InFlight(scanner.scanned(read.scan), len(read.events), 0, ()))
        scanner.claimed(read.scan.drawn, store.write(held, new, held.in_flight))
        held = new
        carried += len(read.events)
    store.write(held, held.settled(), held.in_flight)
    return carried


def generic_plan(
    db: psycopg.Connection, statement: str, parameters: dict[str, object], options: str = ""
) -> tuple[str, int]:
    """The plan that a relay's prepared statement has, as text, and how many buffers it touches."""
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    text = re.sub(r"%\((\w+)\)s", numbered, query(statement)).replace("%%", "%")
    db.execute(f"prepare a_statement as {text}".encode(), prepare=False)
    values = sql.SQL(", ").join([sql.Literal(parameters[name]) for name in names])
    explain = f"explain (analyze, buffers, costs off, timing off {options}) execute a_statement"
    lines = db.execute(sql.SQL("{} ({})").format(sql.SQL(explain), values), prepare=False).fetchall()
    db.execute("deallocate a_statement", prepare=False)
    plan = "\n".join(line for (line,) in lines)
    return plan, buffers(plan)


def buffers(plan: str) -> int:
    """The buffers that the whole statement touches."""
    first = next((line for line in plan.splitlines() if "Buffers:" in line), "")
    return sum(int(part.split("=")[1]) for part in first.split() if "=" in part)


BOUNDS = {
    "shard": 1, "bytes": 1 << 24, "cut": 1 << 24, "headers_cut": 100_000, "type_cut": 10_000, "whole_below": EVERY,
    "last": EVERY, "with_xid": False,
}  # fmt: skip


def read_plan(db: psycopg.Connection, options: str = "", **changes: object) -> tuple[str, int]:
    parameters = {
        **BOUNDS, "rows": 100, "cursor": 0, "xids": "{}", "floors": "{}", "next_xid": str(EVERY), "next_floor": 0,
        "read_to": 0, "pass": PASSED_NUMBERS, "snapshot": "1:1:", "late_snapshot": ALL_SEEN, "topics": ["topic", "t"],
        **changes,
    }  # fmt: skip
    return generic_plan(db, "read_pending", parameters, options)


def look_plan(db: psycopg.Connection, **changes: object) -> tuple[str, int]:
    parameters = {**BOUNDS, "rows": 5000, "held": "{}", "in_flight": "{}", **changes}
    return generic_plan(db, "read_parked", parameters)


def check_scan(plan: str) -> None:
    assert "Seq Scan" not in plan, plan
    assert "Bitmap" not in plan, plan
    assert "->  Sort" not in plan, plan
    assert "pkey" not in plan, plan
    assert "hashed SubPlan" not in plan, plan
    assert "Gather" not in plan, plan
    assert set(re.findall(r"using (?:outbox|history)_(?:y\w+d\d\d|default)_(\w+)", plan)) == {"shard_seq_idx"}, plan
    probes = re.findall(r"using (parked_\w+) on parked.*\n +Index Cond: (.*)", plan)
    assert {name for name, _ in probes} == {"parked_place_idx"}, plan
    assert sum("key_hash = " in condition for _, condition in probes) == len(probes) - 1, plan  # one asks for any


@pytest.mark.parametrize("moment", ["never", "empty", "all pending", "half processed", "all processed"])
def test_the_scan_follows_shard_and_seq_whenever_analyze_ran(db: psycopg.Connection, moment: str) -> None:
    def analyze(now: str) -> None:
        if moment == now:
            db.execute("analyze")

    db.execute("select bridge.set_shard_count(4)")
    analyze("empty")
    fill(db)
    analyze("all pending")
    check_scan(read_plan(db)[0])
    assert carry(db, 0) + carry(db, 1) > 0
    analyze("half processed")
    check_scan(read_plan(db, shard=2)[0])
    assert carry(db, 2) + carry(db, 3) > 0
    analyze("all processed")
    check_scan(read_plan(db)[0])


def test_a_change_becomes_text_without_a_call(db: psycopg.Connection) -> None:
    """bridge.change_payload() is inlined where it is read: a call for each row would cost more than all the rest."""
    plan, _ = read_plan(db, ", verbose")
    assert "json_build_object('id', h" in plan, plan
    assert "change_payload" not in plan, plan


@pytest.mark.parametrize("analyzed", ["never", "full", *at_length("empty")])
def test_many_parked_events_of_other_keys_cost_a_probe_each(db: psycopg.Connection, analyzed: str) -> None:
    fill(db)
    db.execute("select bridge.set_shard_count(2)")
    _, before = read_plan(db, rows=5000)
    if analyzed == "empty":
        db.execute("analyze bridge.parked")
    park(db, MANY, "dead", key="'another' || g")
    if analyzed == "full":
        db.execute("analyze bridge.parked")
    plan, after = read_plan(db, rows=5000)
    check_scan(plan)
    assert "(actual rows=5000" in plan.splitlines()[0]
    assert after - before <= 5000 * 4, plan  # as deep as the index is


def test_a_scan_from_the_position_costs_the_same_after_much_was_processed(db: psycopg.Connection) -> None:
    _, fresh = read_plan(db)
    fill(db)
    assert carry(db, 1) > 0
    cursor = db.execute("select last_value from bridge.event_seq").fetchone()[0]
    plan, later = read_plan(db, cursor=cursor, next_floor=cursor, read_to=cursor)
    assert later < fresh + 30, plan


# A look for parked events that may go

PARKED: dict[str, Callable[[psycopg.Connection], object]] = {
    "one dead, the rest behind it": lambda db: (park(db, 1, "dead", key="'k'"), park(db, MANY, "waiting", key="'k'")),
    "all dead, of different keys": lambda db: park(db, MANY, "dead"),
    "all waiting, of different keys": lambda db: park(db, MANY, "waiting"),
    "all waiting, of one key": lambda db: park(db, MANY, "waiting", key="'k'"),
    "all skipped": lambda db: park(db, MANY, "skipped", blocks="false"),
    "all deferred": lambda db: park(db, MANY, "deferred", blocks="false", due_at="now() + interval '1 day'"),
    "all due": lambda db: park(db, MANY, "deferred", blocks="false", due_at="now() - interval '1 day'"),
    "all replayed, of different keys": lambda db: park(db, MANY, "replayed", blocks="false"),
    "all replayed, of one key": lambda db: park(db, MANY, "replayed", key="'k'", blocks="false"),
}
SOME = 5000  # a batch


def check_look(plan: str, *, are_all_open: bool = False) -> None:
    """Where all that is parked is open, the primary key leads to the same rows in the same order."""
    assert "Seq Scan" not in plan, plan
    assert "Bitmap" not in plan, plan
    assert "Gather" not in plan, plan
    used = re.findall(r"using (parked_\w+) on parked.*\n +Index Cond: (.*)", plan)
    of_open = {"parked_open_idx"} | ({"parked_pkey"} if are_all_open else set())
    names = {name for name, _ in used}
    assert len(names & of_open) == 1, plan
    of_replays = {"parked_replayed_idx", "parked_replay_waits_idx"}
    assert names - of_open == {"parked_due_idx", "parked_stuck_idx", "parked_stops_idx"} | of_replays, plan
    for name, condition in used:
        assert name not in ("parked_stuck_idx", "parked_replay_waits_idx") or "key_hash = " in condition, plan
        assert name != "parked_due_idx" or "due_at <= " in condition, plan


@pytest.mark.parametrize("analyzed", [False, *at_length(True)], ids=["never analyzed", "analyzed"])
@pytest.mark.parametrize("parked", PARKED)
def test_a_look_goes_by_its_indexes(db: psycopg.Connection, parked: str, analyzed: bool) -> None:
    """Whatever is parked: each open event is asked for what it waits for by its own key."""
    PARKED[parked](db)
    if analyzed:
        db.execute("analyze bridge.parked")
    are_all_open = "waiting" in parked or "behind" in parked
    check_look(look_plan(db)[0], are_all_open=are_all_open)
    check_look(look_plan(db, held=["another"])[0], are_all_open=are_all_open)


@pytest.mark.parametrize("others", ["dead", *at_length("skipped", "deferred")])
def test_a_look_costs_no_more_than_what_it_finds(db: psycopg.Connection, others: str) -> None:
    """Not what is parked beside it, and stays so."""
    blocks, due_at = str(others == "dead"), "now() + interval '1 day'" if others == "deferred" else "null"
    park(db, MANY, others, key="'another' || g", blocks=blocks, due_at=due_at)
    db.execute("analyze bridge.parked")
    assert look_plan(db)[1] < 100
    park(db, 100_000, "waiting")
    for analyzed in (False, True):
        if analyzed:
            db.execute("analyze bridge.parked")
        plan, found = look_plan(db, rows=SOME)
        assert f"(actual rows={SOME}" in plan.splitlines()[0]
        leaves = plan.count("outbox_")  # each is asked for a row that is not there
        assert found < SOME * (8 + 2 * leaves), plan


def test_a_look_is_not_slower_when_many_have_died_since_analyze_ran(db: psycopg.Connection) -> None:
    """With all dead ones of the shard compared to each that waits, this look would touch 10 million rows."""
    park(db, 1, "dead", key="'k'")
    park(db, 10_000, "waiting", key="'k'")
    db.execute("analyze bridge.parked")
    _, before = look_plan(db)
    park(db, 1000, "dead", key="'another' || g")
    plan, after = look_plan(db)
    check_look(plan, are_all_open=True)
    assert after < before + 20_000, plan


# What people ask


@pytest.mark.parametrize("analyzed", [False, True], ids=["never analyzed", "analyzed"])
def test_one_event_by_its_id(db: psycopg.Connection, database: str, analyzed: bool) -> None:
    fill(db)
    park(db, 50_000, "dead")
    db.execute(
        "insert into bridge.tick (shard, batch_no, scan_from, cursor, snapshot, event_queue_processed,"
        " entity_events_processed) select s, g, 0, g, pg_current_snapshot(), 0, 0"
        " from generate_series(0, 1) s, generate_series(1, %s) g",
        (EVENTS * 2,),
    )
    db.execute("update bridge.shard set cursor = %s, snapshot = pg_current_snapshot()", (EVENTS * 2,))
    if analyzed:
        db.execute("analyze")
    with connect(database) as reader:
        for view, table in (("event_queue", "outbox"), ("entity_events", "history")):
            (id_,) = reader.execute(f"select id from bridge.{table} order by seq desc limit 1".encode()).fetchone()
            select = f"select * from bridge.{view} where id = '{id_}'"
            lines = reader.execute(f"explain (analyze, buffers, costs off, timing off) {select}".encode()).fetchall()
            plan = "\n".join(line for (line,) in lines)
            assert "(actual rows=1" in plan.splitlines()[0]
            assert buffers(plan) < 60, plan


def test_counts_by_status(db: psycopg.Connection) -> None:
    fill(db)
    carried = carry(db, 0)
    for view, total in (("event_queue", EVENTS), ("entity_events", EVENTS // 10)):
        found = dict(db.execute(f"select status, count(*) from bridge.{view} group by 1".encode()).fetchall())
        assert found.keys() == {"PROCESSED", "PENDING"}
        assert sum(found.values()) == total
        carried -= found["PROCESSED"]
    assert carried == 0
