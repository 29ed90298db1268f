"""What stands still for nothing that is known, and what is accounted for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.relay.stills import Stills
from bridge.settings import Settings
from bridge.telemetry.health import RelayState, ShardState, TopicState, Wait

SETTINGS = Settings()
LETTERS = SETTINGS.topics.dead_letters
PATIENCE = 20.0  # two transaction timeouts; the bound of health is 30
STILL = {"oldest_seconds": 50.0, "still_seconds": 31.0}
OURS = ShardState(0, "me", is_ours=True, is_held=True, **STILL)  # type: ignore[arg-type]
LEFT = TopicState("t", 0, waiting=1, **STILL)  # type: ignore[arg-type]
IDLE = replace(OURS, oldest_seconds=None, still_seconds=None)
WELL = RelayState("me", "running", renewed_seconds=1.0, sampled_seconds=0.0, shards=(IDLE,))


def told(relay: RelayState, *, until: float = PATIENCE + 1, every: float = 1.0) -> list[tuple[int | None, str | None]]:
    """What is told in the end of what was so all the time."""
    stills = Stills(SETTINGS)
    now = 0.0
    while now <= until:
        stills.look(relay, now)
        now += every
    return [(wait["shard"], wait["topic"]) for wait in stills.found]


def wait(kind: str, shard: int | None, topic: str | None) -> Wait:
    return Wait(kind, shard, topic, "because", "2026-01-01T00:00:00+00:00", 40.0, 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"topics": (LEFT,)}, [(0, "t")]),
        ({"shards": (OURS,)}, [(0, None)]),
        ({"shards": (OURS,), "topics": (LEFT,)}, [(0, None)]),  # a shard that does not get on says all of it
        ({"shards": (replace(OURS, owner=None, is_ours=False, is_held=False),)}, [(0, None)]),
        ({"shards": (replace(OURS, owner="other", is_ours=False),), "topics": (LEFT,)}, []),  # that one says it
        ({"shards": (replace(OURS, stopped="why"),), "topics": (LEFT,)}, []),
        ({"topics": (replace(LEFT, still_seconds=29.0),)}, []),
        ({"topics": (replace(LEFT, still_seconds=None, behind_dead=5),)}, []),
        ({"topics": (LEFT,), "phase": "ending"}, []),
        ({"topics": (LEFT,), "waits": (wait("server", None, None),)}, []),
        ({"topics": (LEFT,), "waits": (wait("topic", 0, "t"),)}, []),
        ({"topics": (LEFT,), "waits": (wait("topic", 0, LETTERS),)}, []),
        ({"topics": (LEFT,), "waits": (wait("topic", 0, "other"), wait("topic", 1, "t"))}, [(0, "t")]),
        ({"shards": (OURS,), "topics": (LEFT,), "waits": (wait("doubt", 0, None),)}, []),
    ],
)
def test_what_is_told(change: dict[str, Any], expected: list[tuple[int, str]]) -> None:
    assert told(replace(WELL, **change)) == expected


def test_it_is_told_once_it_has_lasted() -> None:
    """Kafka's time-outs may pass before a relay can say what it waits for."""
    left = replace(WELL, topics=(LEFT,))
    assert told(left, until=PATIENCE - 1) == []
    stills = Stills(SETTINGS)
    for second in range(int(PATIENCE)):
        stills.look(replace(left, waits=(wait("server", None, None),)) if second == 10 else left, float(second))
    stills.look(left, PATIENCE + 1)  # for ten seconds since the server is back
    assert stills.found == ()
    for second in range(int(PATIENCE)):
        stills.look(left, PATIENCE + 2 + second)
    (found,) = stills.found
    stills.look(left, 2 * PATIENCE + 5)
    assert stills.found == (found,)  # the same words each time: they are written when they change
    stills.look(WELL, 2 * PATIENCE + 6)
    assert stills.found == ()


def test_a_pause_is_no_standing_still() -> None:
    """Of the process, or of its machine: what was the oldest event before it is so for a moment after it, too."""
    assert told(replace(WELL, topics=(LEFT,)), until=3000.0, every=1000.0) == []
