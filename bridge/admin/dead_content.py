"""What dead events hold: payloads and headers, as the relay would read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import class_row

from bridge.admin.dead import DeadEvent, Wanted
from bridge.encoding.limits import MOST_CUT
from bridge.event import Event
from bridge.postgres.queries import query

SLICE = 10  # events that one statement reads: some may have died of their size


@dataclass(frozen=True, slots=True)
class Content(DeadEvent):
    """A dead event with its content: `payload` and `headers` are JSON text, empty and None where its row is gone."""

    key_hash: int = 0
    entity_type: str | None = None
    payload: str = field(default="", repr=False)
    headers: str | None = field(default=None, repr=False)
    created_us: int = 0

    @property
    def event(self) -> Event:
        """As the relay would try it."""
        return Event(
            self.source, self.seq, str(self.event_id), self.event_type, self.event_key, self.payload, self.headers,
            self.created_us, self.key_hash, self.entity_type,
        )  # fmt: skip


def read_contents(conn: psycopg.Connection, wanted: Wanted, *, cut: int = MOST_CUT) -> Iterator[Content]:
    """Dead events that nobody has decided about, in the order of their numbers; `cut`: characters of a payload."""
    parameters = wanted.parameters | {"cut": cut, "after": 0, "most": SLICE}
    with conn.cursor(row_factory=class_row(Content), binary=True) as cursor:
        while found := cursor.execute(query("dead_contents"), parameters).fetchall():
            yield from found
            parameters["after"] = found[-1].seq
