"""What health decides from what is known, and what counts as progress."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fix_relay import eventually

from bridge.errors import BrokerUnavailable
from bridge.relay.joined import joined_pages
from bridge.telemetry.activity import KAFKA, POSTGRES, Activities
from bridge.telemetry.address import Address
from bridge.telemetry.document import of_all, of_relay
from bridge.telemetry.health import (
    Finding,
    RelayState,
    ServerState,
    ShardState,
    TopicState,
    Verdict,
    Wait,
    findings,
    not_ready,
    verdict,
)
from bridge.telemetry.pages import HEALTH, Request
from bridge.telemetry.probe import Probe
from bridge.telemetry.progress import Queue, advanced, topics_of
from bridge.telemetry.sample import MOST, DeadSample, JobSample, ParkedSample, Sample, ShardSample, StoppedTopic

BOUND = 30.0
OURS = ShardState(0, "me", is_ours=True, is_held=True, activity="publishes", waits_for=KAFKA, activity_seconds=40.0)
WELL = RelayState(
    "me",
    "running",
    renewed_seconds=1.0,
    sampled_seconds=1.0,
    servers=(ServerState(POSTGRES, True), ServerState(KAFKA, True)),
    shards=(OURS, ShardState(1, "other", is_ours=False, is_held=True)),
)
LATE = {"oldest_seconds": 50.0, "still_seconds": 31.0}
WAIT = Wait("topic", 0, "t", "Kafka takes no records", "2026-01-01T00:00:00+00:00", seconds=40.0, count=1)


def test_nothing_is_wrong() -> None:
    assert findings(WELL, BOUND) == []
    assert verdict([]) is Verdict.OK
    assert not_ready(WELL, 10.0) == []
    document = of_all([of_relay(WELL, BOUND, 10.0)], BOUND)
    assert (document["version"], document["verdict"], document["findings"]) == (1, "ok", [])


@pytest.mark.parametrize(
    ("change", "expected", "words"),
    [
        ({"hangs": ("the relay's loop has not turned",)}, "failing", "has not turned"),
        ({"sampled_seconds": 31.0}, "failing", "nobody can tell"),
        ({"sampled_seconds": None}, "ok", ""),  # it has only just begun
        (
            {"sampled_seconds": None, "servers": (ServerState(POSTGRES, False, "no", 31.0),)},
            "failing",
            "can tell whether",
        ),
        (
            {"shards": (replace(OURS, **LATE),)},
            "failing",
            "for 31 s (50 s old); its thread publishes for 40 s",
        ),
        ({"shards": (replace(OURS, still_seconds=29.0),)}, "ok", ""),
        ({"shards": (replace(OURS, is_ours=False, **LATE),)}, "ok", ""),  # another relay's matter
        ({"shards": (ShardState(0, None, False, False, **LATE),)}, "failing", "nobody holds it"),
        ({"shards": (ShardState(0, None, False, False),)}, "waiting", "shard 0 is free"),
        ({"shards": (ShardState(0, None, False, False, stopped="it was set back"),)}, "failing", "bridge recover"),
        (
            {"topics": (TopicState("t", 0, waiting=MOST, **LATE),)},
            "failing",
            "1,000 events or more has waited",
        ),
        ({"topics": (TopicState("t", 0, 1, **LATE),), "waits": (WAIT,)}, "failing", "Kafka takes no records"),
        ({"topics": (TopicState("t", 1, waiting=1, **LATE),)}, "ok", ""),  # of a shard that is another relay's
        (
            {"topics": (TopicState("t", 0, waiting=1, still_seconds=1.0),), "waits": (WAIT,)},
            "waiting",
            "topic t: Kafka",
        ),
        ({"stopped_topics": (StoppedTopic("t", "id", "why", 2),)}, "failing", "is stopped by event id, 2 events wait"),
        ({"stopped_topics": (StoppedTopic("t", "id", "why", 0),)}, "ok", ""),
        ({"waits": (replace(WAIT, kind="unforeseen", is_stuck=True, count=8),)}, "failing", "(8 times)"),
        ({"waits": (replace(WAIT, kind="unforeseen"),)}, "waiting", "takes no records"),
        ({"waits": (replace(WAIT, kind="refusal", shard=None, topic=None),)}, "failing", "takes no records"),
        ({"waits": (replace(WAIT, kind="refusal", seconds=1.0),)}, "waiting", "takes no records"),
        ({"waits": (replace(WAIT, kind="server", seconds=999.0),)}, "waiting", "takes no records"),
        (
            {"servers": (ServerState(KAFKA, False, "no route", 99.0),)},
            "waiting",
            "has not been reached for 99 s: no route",
        ),
        ({"dead": DeadSample(2, 2)}, "waiting", "2 dead events hold back what comes later, 0 later events wait"),
        ({"dead": DeadSample(2, 0)}, "ok", ""),
        ({"keeper": (JobSample("views", True, 0, None),)}, "waiting", "nobody has done it"),
        ({"keeper": (JobSample("views", False, 3, "full"),)}, "waiting", "it failed 3 times: full"),
        ({"phase": "starting"}, "waiting", "it is starting"),
    ],
)
def test_what_is_found(change: dict[str, Any], expected: str, words: str) -> None:
    found = findings(replace(WELL, **change), BOUND)
    assert verdict(found) == expected
    assert words in "\n".join(finding.text for finding in found)
    assert [finding.verdict for finding in found] == sorted(
        (one.verdict for one in found), key=list(Verdict)[::-1].index
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"phase": "starting", "servers": (ServerState(KAFKA, False, "no", 1.0),)},
            ["it is starting", "Kafka has not been"],
        ),
        ({"phase": "ending"}, ["it is ending"]),
        ({"renewed_seconds": 10.1}, ["leases"]),
        ({"renewed_seconds": None}, ["leases"]),
        ({"servers": (ServerState(KAFKA, None),)}, ["Kafka was not asked yet"]),
        ({"servers": (ServerState(KAFKA, False, "no", 1.0),)}, ["Kafka has not been reached"]),
        ({"waits": (replace(WAIT, kind="server", topic=None),)}, ["Kafka takes no records"]),
        ({"waits": (WAIT,)}, []),  # a topic's matter
        ({"shards": (ShardState(0, None, False, False), ShardState(1, None, False, False))}, ["shards 0, 1 are free"]),
        ({"shards": (ShardState(0, None, False, False), replace(OURS, shard=1))}, []),
        ({"shards": (ShardState(0, "other", is_ours=False, is_held=True),)}, []),  # it stands by
        ({"shards": (ShardState(0, None, False, False, stopped="why"),)}, []),
    ],
)
def test_readiness(change: dict[str, Any], words: list[str]) -> None:
    found = not_ready(replace(WELL, **change), 10.0)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def shard(number: int, seq: int | None) -> ShardSample:
    return ShardSample(number, "me", True, None, 1, seq, None if seq is None else 5.0)


def test_progress_is_that_the_oldest_event_is_a_later_one() -> None:
    queue = Queue(0, None, "unread")
    standings = advanced({}, Sample((shard(0, 10),)), 100.0)
    assert standings[queue].since == 100.0
    standings = advanced(standings, Sample((shard(0, 10), shard(1, 7))), 101.0)
    assert standings[queue].since == 100.0
    standings = advanced(standings, Sample((shard(0, 9),)), 102.0)  # it committed late, and nothing was published
    assert standings[queue].since == 100.0
    standings = advanced(standings, Sample((shard(0, 11),)), 103.0)
    assert standings[queue].since == 103.0
    assert advanced(standings, Sample((shard(0, None),)), 104.0) == {}
    assert advanced({}, Sample((shard(0, 11),)), 105.0)[queue].since == 105.0


def test_what_waits_for_a_topic_has_progress_of_its_own() -> None:
    waiting = ParkedSample(0, "t", "waiting", False, 5, 10, 50.0)
    behind = ParkedSample(0, "t", "waiting", True, 3, 11, 60.0)
    due = ParkedSample(0, "t", "due", False, 1, 10, 9.0)
    sample = Sample((shard(0, 20),), (waiting, behind, due))
    standings = advanced({}, sample, 100.0)
    standings = advanced(standings, replace(sample, shards=(shard(0, 30),), parked=(waiting, behind)), 110.0)
    assert {queue: standing.since for queue, standing in standings.items()} == {
        Queue(0, None, "unread"): 110.0,
        Queue(0, "t", "waiting"): 100.0,
    }
    assert advanced({}, Sample((), (behind,)), 1.0) == {}  # a person is to decide, and nothing need move
    topics = topics_of(sample, standings, 115.0)
    assert topics == {("t", 0): TopicState("t", 0, waiting=6, behind_dead=3, oldest_seconds=50.0, still_seconds=15.0)}


def test_workers_say_once_what_they_all_see() -> None:
    stopped = replace(WELL, shards=(ShardState(0, None, False, False, stopped="why"),))
    relays = [of_relay(replace(stopped, relay=name), BOUND, 10.0) for name in ("a", "b")]
    document = of_all(relays, BOUND, [Finding(Verdict.WAITING, "worker 2: it starts")])
    assert document["verdict"] == "failing"
    assert [finding["text"] for finding in document["findings"]] == [
        "why. See bridge recover --dry-run",
        "worker 2: it starts",
    ]
    assert of_all([], BOUND, [Finding(Verdict.WAITING, "worker 0: it starts")])["verdict"] == "waiting"


def test_a_wait_is_told_from_work() -> None:
    clock = [5.0]
    activities = Activities(lambda: clock[0])
    seen = []

    def call(number: int) -> int:
        seen.append(activities.of(threading.get_ident()))
        raise EOFError(number)

    with pytest.raises(EOFError):
        activities.around("asks", KAFKA, call)(1)
    clock[0] = 6.0
    with activities.waits("rests", None):
        with activities.waits("asks in between", POSTGRES):
            clock[0] = 7.0
        seen.append(activities.of(threading.get_ident()))
    seen.append(activities.of(threading.get_ident()))
    assert [(one.what, one.server, one.is_wait, one.since) for one in seen if one] == [
        ("asks", KAFKA, True, 5.0),
        ("rests", None, True, 6.0),
        ("works", None, False, 7.0),
    ]
    assert activities.of(None) is None


def test_a_probe_tells_since_when_there_is_trouble() -> None:
    answers: list[int | Exception] = [
        1,
        BrokerUnavailable("away"),
        BrokerUnavailable("still away"),
        ZeroDivisionError("s"),
    ]
    go, asked = threading.Semaphore(0), threading.Semaphore(0)

    def question() -> int:
        asked.release()
        go.acquire()
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    clock = iter(range(100))
    heard: list[int] = []
    probe = Probe("x", 0.001, question, Activities(lambda: float(next(clock))), heard.append)
    probe.start()
    asked.acquire()
    assert probe.last.asking_since == 0.0
    for expected in (None, "away", "still away", "unforeseen: ZeroDivisionError"):
        go.release()
        asked.acquire()
        eventually(lambda expected=expected: (probe.last.trouble or "").startswith(expected or ""))
        assert probe.last.answer == 1
    assert probe.last.trouble_since == 2.0
    assert "(s)" not in str(probe.last.trouble)
    assert heard == [1]
    answers.append(2)
    go.release()
    eventually(lambda: probe.last.answer == 2)
    assert probe.last.trouble is None
    answers.append(3)
    go.release()
    probe.end()


def test_a_worker_that_never_listens_is_not_just_starting_for_ever(tmp_path: Path) -> None:
    """Its socket may be gone, say, because something tidies temporary directories: nobody knows how it is."""
    worker = Address("", 0, str(tmp_path / "0"))
    request = Request("GET", HEALTH, {}, {})
    assert joined_pages([worker], 60.0)[HEALTH](request).status == 200
    answer = joined_pages([worker], -1.0)[HEALTH](request)
    assert (answer.status, b"worker 0: it starts" in answer.body) == (503, True)
