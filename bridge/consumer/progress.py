"""How far a consumer group is, in the consumer's own database: written with what its handlers did, so that it is never
further than that. Kafka's offsets are, once the database has lost commits: by a restore, or a failover to a standby."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from bridge.consumer.inbox import away, run
from bridge.consumer.message import Arrived, Partition


class Progress:
    """Of one consumer group."""

    def __init__(self, connection: psycopg.Connection[Any], group: str) -> None:
        self._connection = connection
        self._group = group

    def advance(self, records: Sequence[Arrived]) -> None:
        """These are accounted for, in the transaction that is open if there is one. Raises DatabaseUnavailable."""
        self._write({record.part: record.offset + 1 for record in records})

    def offsets(self, begins: Mapping[Partition, int]) -> dict[Partition, int]:
        """Behind the last record that is accounted for, of each partition that was ever begun.

        Those of `begins` are from now on, there: else a copy would not know later that it lacks all of them. Raises
        DatabaseUnavailable.
        """
        with away(self._connection):
            rows = run(self._connection, "progress", {"group": self._group}).fetchall()
        found = {(topic, partition): offset for topic, partition, offset in rows}
        if new := {part: offset for part, offset in begins.items() if part not in found}:
            self._write(new)
        return found

    def _write(self, behind: Mapping[Partition, int]) -> None:
        named = {
            "group": self._group,
            "topics": [topic for topic, _ in behind],
            "partitions": [partition for _, partition in behind],
            "offsets": list(behind.values()),
        }
        with away(self._connection):
            run(self._connection, "advance", named)
