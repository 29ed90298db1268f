"""What a relay does before it carries anything; servers that are away are waited for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from bridge.backoff import FORESEEN_SECONDS, backoff
from bridge.errors import Unavailable
from bridge.postgres.members import Members
from bridge.postgres.migrate import require_current
from bridge.postgres.publisher import claim_names
from bridge.postgres.schema_ids import keep_schema_ids, read_schema_ids
from bridge.reactions import Reaction, Reactions, reaction
from bridge.relay.equipment import Equipment
from bridge.relay.outages import SERVERS, Outages
from bridge.relay.workers import is_orphan
from bridge.settings import Settings

logger = logging.getLogger(__name__)

WHO = "start"


def start(
    settings: Settings,
    members: Callable[[], Members],
    outages: Outages,
    stopping: threading.Event,
    wait_seconds: float,
    reactions: Reactions,
) -> tuple[Members, Equipment] | None:
    """Connect, and check database, topics and schemas; None if it was stopped while it waited, or its parent has gone.

    Raises ConfigError, and Unavailable for a server that refuses us, or is away, for longer than `wait_seconds`, or
    where `reactions` end it.
    """
    ends = time.monotonic() + wait_seconds
    attempt = 0
    while not stopping.is_set() and not is_orphan():
        try:
            ready = _start(settings, members)
        except Unavailable as error:
            if reaction(error, reactions) is Reaction.END or time.monotonic() >= ends:
                raise
            outages.began(WHO, error)
            stopping.wait(min(backoff(attempt, FORESEEN_SECONDS), max(ends - time.monotonic(), 0)))
            attempt += 1
        else:
            outages.ended(WHO, *SERVERS)
            return ready
    return None


def _start(settings: Settings, members: Callable[[], Members]) -> tuple[Members, Equipment]:
    ours = members()
    try:
        require_current(ours.conn)
        claim_names(ours.conn, settings)
        registry = settings.registry.url
        equipment = Equipment.open(settings, len(ours.shards()), read_schema_ids(ours.conn, registry))
        keep_schema_ids(ours.conn, registry, equipment.schema_ids.take_new())
        return ours, equipment
    except BaseException:
        ours.conn.close()
        raise
