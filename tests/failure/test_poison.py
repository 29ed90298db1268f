"""One event in a hundred can never be published, of every kind that has ever stopped something: the others flow.

`make poison` writes 100,000 events in each run, and asks for 80 % of the clean runs' rate; `make test` writes fewer,
and asks for no rate, because its machine is busy.
"""

from __future__ import annotations

import json
import os
import time
from itertools import count
from typing import NamedTuple

import psutil
import pytest
from fix_relay import Site, eventually

EVENTS = int(os.environ.get("BRIDGE_TEST_POISON_EVENTS", "10000"))
ROUNDS = int(os.environ.get("BRIDGE_TEST_POISON_ROUNDS", "1"))
LEAST_SHARE = float(os.environ.get("BRIDGE_TEST_POISON_SHARE", "0"))
KEYS = 1000
RARE = max(EVENTS // 1000, 25)  # of the poison events, one in so many is of a kind that is large


def _of(kind: object, **more: object) -> dict[str, object]:
    return {"type": kind, **more}


SHAPE = {
    "type": "record",
    "name": "Shape",
    "fields": [
        {"name": "at", "type": ["null", _of("long", logicalType="timestamp-micros")], "default": None},
        {"name": "millis", "type": ["null", _of("long", logicalType="timestamp-millis")], "default": None},
        {"name": "time", "type": ["null", _of("int", logicalType="time-millis")], "default": None},
        {"name": "price", "type": ["null", _of("bytes", logicalType="decimal", precision=6, scale=2)], "default": None},
        {"name": "id", "type": ["null", _of("string", logicalType="uuid")], "default": None},
        {"name": "tags", "type": ["null", _of("array", items="string")], "default": None},
    ],
}
DASHES = ["a"] * 4 + ["-", "a", "a", "-", "a", "a", "T", "a", "a", ":", "a", "a", ":", "a", "a", ".", *["a"] * 6]


class Kind(NamedTuple):
    """One way to be poison; `key` is SQL for what stands behind the key's beginning, `at` SQL for the time."""

    name: str
    payload: str = '{"n": 1}'
    event_type: str = "thing.changed"
    headers: str = "{}"
    key: str = "''"
    at: str = "clock_timestamp()"
    text: int = 0  # characters of a field beside `n`
    becomes: str = "DEAD"
    is_large: bool = False


def shape(name: str, field: str, value: object) -> Kind:
    return Kind(name, json.dumps({field: value}), "shape.changed")


KINDS = (
    Kind("wrong type", '{"n": "one"}'),
    Kind("missing field", "{}"),
    Kind("unknown field", '{"n": 1, "odd": 1}'),
    Kind("more than 64 bits", '{"n": 9223372036854775808}'),
    Kind("no object", "[1]"),
    Kind("null", "null"),
    shape("A1: a list for a time", "at", DASHES),
    shape("time of seven digits", "at", "2026-01-01T00:00:00.1234567Z"),
    shape("microseconds for milliseconds", "millis", "2026-01-01T00:00:00.123456Z"),
    shape("half a second", "time", "00:00.5"),
    shape("more digits than fit", "price", "12345.678"),
    shape("no uuid", "id", "x"),
    shape("deep in an array", "tags", ["a", 1]),
    Kind("A2: a long key without a route", event_type="nobody.knows", key="(select string_agg(md5(g || ':' || i), '') "
         "from generate_series(1, 90) as i)"),
    Kind("A3: a time long ago", at="timestamptz '20000-01-01Z'", becomes="PROCESSED"),
    Kind("A3: a time far ahead", at="timestamptz '294276-12-31Z'", becomes="PROCESSED"),
    Kind("A7: a key of CJK, a record near the limit", key="repeat('鍵', 3000)", text=1_045_000, is_large=True),
    Kind("A11: a header of a megabyte", headers='{"h": "%s"}' % ("x" * 1_000_000), is_large=True),
    Kind("A11: a key of 100 kB", key="repeat('k', 100000)", becomes="PROCESSED", is_large=True),
    Kind("too large", text=2_000_000, is_large=True),
    Kind("A24: what steers a terminal", event_type="\x1b[2J\nforged"),
    Kind("tracking's own type", event_type="entity.changed"),
    Kind("a header of bridge's own", headers='{"ce_id": "x"}', becomes="PROCESSED"),
    Kind("an erased event", headers='{"bridge_erased": "x"}'),
    Kind("a number in a header", headers='{"h": 123456789012345678901234}', becomes="PROCESSED"),
)  # fmt: skip
numbers = count(1)  # a key of its own for each, or it would wait behind one that is dead
SMALL, LARGE = [kind for kind in KINDS if not kind.is_large], [kind for kind in KINDS if kind.is_large]

GOOD = """insert into bridge.outbox (shard, event_type, event_key, payload)
          select bridge.shard_of('k' || g %% %(keys)s), 'thing.changed', 'k' || g %% %(keys)s,
                 jsonb_build_object('n', g, 'text', repeat('x', 150))
            from generate_series(%(since)s::int, %(until)s::int) as g"""
POISON = """insert into bridge.outbox (shard, event_type, event_key, payload, headers, created_at)
            select bridge.shard_of(key), %(event_type)s, key,
                   case when %(text)s::int = 0 then %(payload)s::jsonb
                        else %(payload)s::jsonb || jsonb_build_object('text', repeat('x', %(text)s::int)) end,
                   %(headers)s::jsonb, {at}
              from (select %(name)s || '/' || g || {key} as key from (values (%(g)s::int)) as of (g)) as e"""


def write(site: Site, events: int, *, with_poison: bool) -> None:
    """One transaction; each hundredth is poison, if any is."""
    with site.connect() as db, db.transaction():
        for hundred in range(events // 100):
            since = 100 * hundred
            good = {"keys": KEYS, "since": since, "until": since + (98 if with_poison else 99)}
            db.execute(GOOD, good)
            if with_poison:
                kind = LARGE[hundred // RARE % len(LARGE)] if hundred % RARE == 0 else SMALL[hundred % len(SMALL)]
                db.execute(POISON.format(at=kind.at, key=kind.key), {**kind._asdict(), "g": next(numbers)})


def carried(site: Site) -> int:
    """Events that are published or dead."""
    return int(
        site.scalar(
            "select sum(event_queue_processed + event_queue_dead + entity_events_processed + entity_events_dead)::int"
            " from bridge.shard"
        )
    )


def seconds_to_carry(site: Site, events: int, *, with_poison: bool) -> float:
    """From their commit on, with a relay that waits for them."""
    before = carried(site)
    write(site, events, with_poison=with_poison)
    began = time.monotonic()
    ends = began + 300
    while carried(site) < before + events:
        assert time.monotonic() < ends, f"{carried(site) - before} of {events}"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.timeout(1800)
@pytest.mark.relay("keep_house = false")
def test_one_in_a_hundred(site: Site) -> None:
    """All others exactly once and in order; each poison event is what its kind becomes; at four fifths of the rate."""
    site.route("shape.changed", "shapes", SHAPE)
    relay = site.start()
    eventually(lambda: site.scalar("select count(owner) from bridge.shard") == 2)
    seconds_to_carry(site, 1000, with_poison=False)
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for with_poison in (False, True):
            used = sum(psutil.Process(relay.pid).cpu_times()[:2])
            times[with_poison].append(seconds_to_carry(site, EVENTS, with_poison=with_poison))
            used = sum(psutil.Process(relay.pid).cpu_times()[:2]) - used
            what = "with poison" if with_poison else "without"
            print(f"{what}: {times[with_poison][-1]:.2f} s, {used:.2f} s of the relay's processor time")
    clean, poisoned = (EVENTS / min(times[kind]) for kind in (False, True))
    print(f"{clean:,.0f} events a second without poison, {poisoned:,.0f} with it: {poisoned / clean:.0%}")
    assert site.pending() == 0
    site.end(relay)
    of_kinds = """select split_part(event_key, '/', 1) as kind, status from bridge.event_queue
                   where event_key like '%/%' group by 1, 2"""
    with site.connect() as db:
        found = db.execute(of_kinds).fetchall()
        unexplained = db.execute("select count(*) from bridge.parked where state = 'dead' and reason = ''").fetchone()
    expected = {kind.name: kind.becomes for kind in KINDS}
    assert {(name, status) for name, status in found} == {(name, expected[name]) for name, _ in found}
    assert len({name for name, _ in found}) >= min(len(KINDS), EVENTS // 100 // 4)
    assert unexplained == (0,)
    audit = site.audit()
    assert audit.is_clean, audit
    assert poisoned >= LEAST_SHARE * clean
