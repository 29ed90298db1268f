"""Under which names a database's events are published: it remembers them, so that no other bridge takes it."""

from __future__ import annotations

import psycopg

from bridge.errors import ConfigError
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.settings import Settings


@explained()
def claim_names(conn: psycopg.Connection, settings: Settings) -> None:
    """Remember relay.name and topics.control, or compare them with those that are remembered.

    Raises ConfigError when they are others: under other names a relay would find none of its batches in Kafka.
    """
    ours = (settings.relay.name, settings.topics.control)
    known = conn.execute(query("claim_names"), {"relay_name": ours[0], "control_topic": ours[1]}).fetchone()
    if known is not None and known != ours:
        raise ConfigError(
            f"this database is published by the bridge {known[0]!r} with the control topic {known[1]!r}, not by "
            f"{ours[0]!r} with {ours[1]!r}",
            hint="Correct relay.name and topics.control; to rename a bridge, see docs/operations.md",
        )
