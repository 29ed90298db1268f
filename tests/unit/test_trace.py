"""`bridge trace`, as far as it only decides: why an event waits, and where in a topic it is looked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from bridge.admin.event_gone import time_of
from bridge.admin.event_place import windows
from bridge.admin.event_row import Behind, EventRow, ParkedRow
from bridge.admin.event_wait import NOBODY, PERSON, SERVER, ShardNow, why_parked, why_unread
from bridge.admin.status import Wait

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)
EVENT = UUID("01a21d71-bf60-7c1f-ad35-146386d29779")


def row(**more: object) -> EventRow:
    values: dict[str, object] = dict.fromkeys(EventRow.__dataclass_fields__)
    values |= {
        "id": EVENT,
        "seq": 7,
        "shard": 0,
        "key": "k",
        "written_at": NOW,
        "is_read": False,
        "is_in_flight": False,
    }
    return EventRow(**(values | more))  # type: ignore[arg-type]


def shard(**more: object) -> ShardNow:
    values: dict[str, object] = {
        "shard": 0, "owner": "host:1:a", "lease_until": LATER, "lease_seconds": 9.0, "stopped": None, "batch_no": 4,
        "has_in_flight": False, "updated_at": NOW, "relays": 1, "last_relay": "host:1:a", "last_seen": LATER,
        "before": 0,
    }  # fmt: skip
    return ShardNow(**(values | more))  # type: ignore[arg-type]


def parked(state: str, **more: object) -> ParkedRow:
    values: dict[str, object] = dict.fromkeys(ParkedRow.__dataclass_fields__)
    values |= {"event_id": EVENT, "seq": 7, "shard": 0, "topic": "t", "state": state, "since": NOW, "at": NOW}
    return ParkedRow(**(values | more))  # type: ignore[arg-type]


def wait(kind: str, *, shard: int | None = None, topic: str | None = None) -> Wait:
    return Wait(shard, topic, kind, "because", NOW, 1)


@pytest.mark.parametrize(
    ("now", "waits", "words", "needs"),
    [
        (shard(), [], "the next read of host:1:a will find it", NOBODY),
        (shard(before=3), [], "3 unread events of its shard come first", NOBODY),
        (shard(stopped="a copy"), [], "is stopped: a copy", PERSON),
        (shard(relays=0), [], "no relay is at work: the last sign of life of host:1:a", PERSON),
        (shard(relays=0, last_relay=None), [], "no relay is at work", PERSON),
        (shard(owner=None), [], "is free", NOBODY),
        (shard(lease_seconds=-3.0, relays=2), [], "ran out", NOBODY),
        (shard(), [wait("server")], "a server is away", SERVER),
        (shard(), [wait("refusal")], "refuses", PERSON),
        (shard(), [wait("doubt", shard=0)], "confirmed no batch", PERSON),
        (shard(), [wait("doubt", shard=1)], "the next read", NOBODY),
        (shard(), [wait("unforeseen", shard=0)], "nobody foresaw", PERSON),
        (shard(), [wait("still", shard=0)], "has not got on", PERSON),
        (shard(), [wait("topic", shard=0, topic="t")], "its topic takes nothing", PERSON),
        (shard(), [wait("schema", shard=0, topic="other")], "the next read", NOBODY),
    ],
)
def test_why_an_event_is_unread(now: ShardNow, waits: list[Wait], words: str, needs: int) -> None:
    cause = why_unread(row(), now, waits, "t")
    assert words in cause.words
    assert cause.needs == needs
    assert needs == NOBODY or cause.mend


def test_a_batch_in_flight_is_told() -> None:
    assert "batch 4 of shard 0 has it" in why_unread(row(is_in_flight=True), shard(), [], "t").words


@pytest.mark.parametrize(
    ("one", "behind", "words", "needs"),
    [
        (parked("dead", reason="no route"), None, "no route", PERSON),
        (parked("dead", waits_for="letters"), None, "waits for the topic letters", PERSON),
        (parked("deferred", due_at=LATER), None, "available_at", NOBODY),
        (parked("waiting"), ("dead", False), "of its key and topic, dead since", PERSON),
        (parked("waiting"), ("dead", True), "which stops the topic t", PERSON),
        (parked("waiting"), ("waiting", False), "which is waiting itself", NOBODY),
        (parked("waiting"), None, "next batch", NOBODY),
        (parked("replayed"), ("dead", False), "next batch", NOBODY),
    ],
)
def test_why_an_event_is_parked(one: ParkedRow, behind: tuple[str, bool] | None, words: str, needs: int) -> None:
    earlier = None if behind is None else Behind(uuid4(), behind[0], "because", None, behind[1], NOW)
    cause = why_parked(one, earlier, shard(), [])
    assert words in cause.words
    assert cause.needs == needs


def test_a_held_topic_is_why_its_events_are_parked() -> None:
    cause = why_parked(parked("waiting"), None, shard(), [wait("schema", shard=0, topic="t")])
    assert "its schema is not to be had" in cause.words
    assert cause.needs == PERSON


def test_batches_are_known_to_a_tick() -> None:
    assert row(batch_no=9, batch_before=6).batches == (7, 9)
    assert row(batch_no=9, batch_before=9).batches == (9, 9)
    assert row(batch_no=9).batches is None
    assert row(batch_no=1).batches == (1, 1)


def test_an_id_of_version_7_tells_its_time() -> None:
    found = time_of(EVENT)
    assert found is not None
    assert found.year == 2026
    assert time_of(uuid4()) is None
    assert time_of(UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")) is None


@pytest.mark.parametrize(
    ("start", "ends", "found", "is_whole"),
    [
        (5, [5], [], True),
        (5, [9], [(5, 9)], True),
        (0, [10], [(0, 10)], True),
        (0, [15], [(0, 10), (10, 15)], True),
        (0, [40], [(0, 10), (30, 40)], False),
        (0, [50, 90], [(0, 10), (40, 50), (80, 90)], False),
        (0, [12, 18], [(0, 10), (10, 12), (12, 18)], True),
        (7, [7, 9], [(7, 9)], True),
    ],
)
def test_a_topic_is_looked_into_where_the_record_may_be(
    start: int, ends: list[int], found: list[tuple[int, int]], is_whole: bool
) -> None:
    assert windows(start, ends, 10) == (found, is_whole)
