"""Events that were received and not handled: tried again later, waiting behind such a one, or dead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

import psycopg

from bridge.consumer.inbox import away, run
from bridge.consumer.message import Arrived
from bridge.text import printable

SHOWN_CHARACTERS = 200

Place: TypeAlias = "tuple[str, bytes]"  # a topic and a key, where order is kept


class State(StrEnum):
    """What becomes of a parked event."""

    RETRYING = "retrying"
    WAITING = "waiting"
    DEAD = "dead"


class Parked(NamedTuple):
    """One parked event whose turn has come; `attempts` have failed."""

    number: int
    record: Arrived
    attempts: int


@dataclass(frozen=True)
class DeadLetter:
    """An event that is not tried any more, until a person decides."""

    number: int
    topic: str
    partition: int
    offset: int
    key: bytes | None
    type: str
    attempts: int
    reason: str
    parked_at: datetime


def place(record: Arrived) -> Place | None:
    """None without a key: then no order was promised."""
    return None if record.key is None else (record.topic, record.key)


class ParkedEvents:
    """Those of one consumer group. `dead_blocks`: what comes behind a dead event of a key waits."""

    def __init__(self, connection: psycopg.Connection[Any], group: str, *, dead_blocks: bool) -> None:
        self._connection = connection
        self._shared = {"group": group, "dead_blocks": dead_blocks}

    def blocked(self, records: Iterable[Arrived]) -> set[Place]:
        """Where an earlier event is parked, so that these have to wait; stays true until the transaction ends."""
        places = list({where for record in records if (where := place(record)) is not None})
        if not places:
            return set()
        topics, keys = [topic for topic, _ in places], [key for _, key in places]
        return set(self._run("blocking", topics=topics, keys=keys).fetchall())

    def park(self, record: Arrived, state: State, *, attempts: int, seconds: float = 0, reason: str | None) -> None:
        """`seconds`: until it is tried again."""
        named = {name: value for name, value in record._asdict().items() if name != "headers"}
        event_type = self._text(printable(record.type)[:SHOWN_CHARACTERS])
        more = {
            "state": state,
            "attempts": attempts,
            "seconds": seconds,
            "reason": self._text(reason),
            "event_type": event_type,
        }
        self._run("park", **named, **more, headers=json.dumps(record.headers))  # in ASCII, so that any text fits

    def take(self) -> Parked | None:
        """One that is due, kept from other consumers until the transaction ends."""
        row = self._run("take_parked").fetchone()
        if row is None:
            return None
        number, topic, partition, offset, at, key, value, headers, attempts = row
        at = None if at is None else at.astimezone(UTC)
        return Parked(number, Arrived(topic, partition, offset, at, key, value, json.loads(headers)), attempts)

    def unpark(self, parked: Parked) -> None:
        """It was handled: what waits behind it is next."""
        self._run("unpark", number=parked.number)
        self._promote(place(parked.record))

    def park_again(self, parked: Parked, state: State, *, attempts: int, seconds: float, reason: str | None) -> None:
        """It failed once more; without effect if others have tried it, or a person has decided, meanwhile."""
        before = {"number": parked.number, "attempts_before": parked.attempts}
        after = {"state": state, "attempts": attempts, "seconds": seconds, "reason": self._text(reason)}
        self._run("park_again", **before, **after)
        if state is State.DEAD:
            self._promote(place(parked.record))

    def promote_all(self) -> None:
        """Whatever waits for nothing any more is tried next."""
        self._run("promote_all")

    def dead(self) -> list[DeadLetter]:
        """In the order in which they were parked."""
        return [DeadLetter(*row) for row in self._run("dead").fetchall()]

    def count_dead(self) -> int:
        """How many there are."""
        ((count,),) = self._run("count_dead").fetchall()
        return int(count)

    def retry(self, numbers: Sequence[int]) -> int:
        """Returns how many dead ones will be tried again, with all attempts before them."""
        return self._run("retry_dead", numbers=list(numbers)).rowcount

    def skip(self, numbers: Sequence[int]) -> int:
        """Returns how many dead ones were given up for good."""
        with away(self._connection), self._connection.transaction():
            rows = self._run("skip_dead", numbers=list(numbers)).fetchall()
            for topic, key in rows:
                self._promote(None if key is None else (topic, key))
        return len(rows)

    def _promote(self, where: Place | None) -> None:
        if where is not None:
            self._run("promote", topic=where[0], key=where[1])

    def _text(self, text: str | None) -> str | None:
        """As the database can hold it, whatever its encoding: what is only shown must not keep an event from it."""
        if text is None or self._connection.info.parameter_status("server_encoding") == "UTF8":
            return text
        return text.encode("ascii", "backslashreplace").decode("ascii")

    def _run(self, name: str, **parameters: object) -> psycopg.Cursor[Any]:
        with away(self._connection):
            return run(self._connection, name, {**self._shared, **parameters})
