"""What dead events hold: payloads and headers, as the relay would read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import class_row

from bridge.admin.dead import DeadEvent, Wanted
from bridge.encoding.limits import MOST_CUT
from bridge.event import Event
from bridge.postgres.around import LenientBinary, is_about_a_row
from bridge.postgres.queries import query

MOST = 64  # events that one statement reads
BYTES = 16_777_216  # of content, after which a statement reads no further event: some have died of their size


@dataclass(frozen=True, slots=True)
class Content(DeadEvent):
    """A dead event with its content: `payload` and `headers` are JSON text, empty and None where its row is gone.

    So they are where `is_readable` is False: Postgres cannot make text of the row, and type and key may have U+FFFD.
    """

    key_hash: int = 0
    entity_type: str | None = None
    payload: str = field(default="", repr=False)
    headers: str | None = field(default=None, repr=False)
    created_us: int = 0
    is_readable: bool = True

    @property
    def event(self) -> Event:
        """As the relay would try it."""
        return Event(
            self.source, self.seq, str(self.event_id), self.event_type, self.event_key, self.payload, self.headers,
            self.created_us, self.key_hash, self.entity_type,
        )  # fmt: skip


def read_contents(conn: psycopg.Connection, wanted: Wanted, *, cut: int = MOST_CUT) -> Iterator[Content]:
    """Dead events that nobody has decided about, in the order of their numbers; `cut`: characters of a payload.

    Each statement is a transaction of its own, and its answer has one event more than BYTES have room for, at most.
    """
    after, most = 0, 1
    while True:
        parameters = wanted.parameters | {"cut": cut, "after": after, "bytes": BYTES}
        try:
            found = _read(conn, parameters | {"most": most})
        except (psycopg.Error, UnicodeDecodeError) as error:
            if not is_about_a_row(error):
                raise
            if most > 1:
                most = 1
                continue
            found = _read(conn, parameters | {"most": 1}, is_readable=False)
        if not found:
            return
        yield from found
        after = found[-1].seq
        most = min(2 * most, MOST) if len(found) == most else 1  # Postgres makes text of all that is asked for


def _read(conn: psycopg.Connection, parameters: Mapping[str, Any], *, is_readable: bool = True) -> list[Content]:
    with conn.cursor(row_factory=class_row(Content), binary=True) as cursor:
        if not is_readable:
            cursor.adapters.register_loader("text", LenientBinary)
        return cursor.execute(query("dead_contents"), {**parameters, "is_readable": is_readable}).fetchall()
