"""Why something waits and what to do about it, in words: for `bridge status`, `bridge top` and the page."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.admin.status import MOST, Status, Wait
from bridge.text import counted


def at_most(count: int) -> str:
    """A number of events that is exact below MOST."""
    return str(count) if count < MOST else f"{MOST} or more"


def reasons(now: Status) -> Iterator[str]:
    """A line for each thing that waits: why, and what to do."""
    if not now.relays:
        yield "No relay is at work: what is written waits. Start one with bridge run, or see what its log says"
    for shard in now.shards:
        if shard.stopped is not None:
            yield f"{shard.stopped}. See bridge recover --dry-run"
    for topic in now.stopped_topics:
        yield (
            f"topic {topic.topic} is stopped by event {topic.event_id} ({topic.state}) since"
            f" {topic.since:%Y-%m-%d %H:%M:%S%z}, {at_most(topic.waiting)} later events wait: {topic.reason}"
        )
    if now.blocking:
        behind = sum(shard.behind_dead for shard in now.shards)
        held = counted(behind, "later event", "wait") if behind else "no later event waits yet"
        yield f"{counted(now.blocking, 'dead event', 'hold')} back what comes later, {held}. See bridge dead list"
    elif now.undecided_dead:
        yield f"{counted(now.undecided_dead, 'dead event')}, which nothing waits for. See bridge dead list"
    for wait in now.waits:
        yield f"{_who(wait)} since {wait.since:%Y-%m-%d %H:%M:%S%z}: {wait.reason}"


def all_reasons(now: Status) -> Iterator[str]:
    """With what the keeper lacks, where a person is needed for that: for who does not show it apart."""
    yield from reasons(now)
    if now.keeping.needs_person:
        yield from (f"keeper: {line}" for line in now.keeping.lines)


def _who(wait: Wait) -> str:
    shard = "" if wait.shard is None else f"shard {wait.shard}"
    match wait.kind:
        case "server":
            return "A relay waits for a server"
        case "refusal":
            return "A server refuses what a relay asks"
        case "unforeseen":
            return f"{shard or 'A relay'} meets what nobody foresaw ({wait.count} times), please report it,"
        case "doubt":
            return f"{shard} has had no batch confirmed by Kafka ({wait.count} times)"
        case "still":
            return f"{shard} does not get on"
        case _:
            return f"{shard} holds topic {wait.topic or ''}"
