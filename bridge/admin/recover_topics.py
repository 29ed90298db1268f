"""What the topics have of events that the database counts as pending, by reading them whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.encoding.headers import CE_ID, CE_SOURCE, CE_TYPE, DEAD_REASON, DEAD_TABLE, REPLAYED, ce_source
from bridge.encoding.routing import all_topics
from bridge.event import SOURCES
from bridge.kafka.cluster import Cluster
from bridge.kafka.headers import headers_of
from bridge.kafka.reader import Reader
from bridge.progress import Progress
from bridge.settings import OnDead, Settings
from bridge.shard.policies import Policies


@dataclass(slots=True)
class Found:
    """Ids in the topics: of what is published, is dead (why, and what waits behind it), and is replayed."""

    published: set[str] = field(default_factory=set)
    dead: dict[str, tuple[str, OnDead]] = field(default_factory=dict)
    replayed: set[str] = field(default_factory=set)


def find(settings: Settings, ids: set[str], replays: set[tuple[str, str]], progress: Progress) -> Found:
    """Which of `ids`, and of `replays`, which have an id and the number of the replay, are in the topics."""
    dead_letters = settings.topics.dead_letters
    exist = Cluster(settings).partition_counts()
    topics = [topic for topic in all_topics(settings) if topic in exist]
    ours = {ce_source(settings.relay.name, source).encode() for source in SOURCES}  # a copy of the database has our ids
    found, policies = Found(), Policies(settings)
    with Reader(settings, topics) as reader:
        ends = reader.all_ends()
        for messages in reader.up_to(ends):
            progress("records", *reader.progress(ends))
            for message in messages:
                headers: dict[str, Any] = dict(headers_of(message))
                if headers.get(CE_SOURCE) not in ours:
                    continue
                id = _text(headers.get(CE_ID))
                is_letter = message.topic() == dead_letters
                if REPLAYED in headers:  # it was published before, which says nothing of what is pending
                    if not is_letter:  # that tells of one that could not be
                        found.replayed |= {id} if (id, _text(headers[REPLAYED])) in replays else set()
                elif id in ids and is_letter:
                    policy = policies.of(*_kind(headers))
                    found.dead[id] = _text(headers.get(DEAD_REASON)), policy
                elif id in ids:
                    found.published.add(id)
    return found


def _kind(headers: Mapping[str, bytes | None]) -> tuple[str, str | None]:
    """Type and table of a dead letter's event."""
    return _text(headers.get(CE_TYPE)), _text(headers[DEAD_TABLE]) if DEAD_TABLE in headers else None


def _text(header: bytes | None) -> str:
    """What Postgres can keep of a header."""
    return (header or b"").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
