"""A ledger as the columns of `bridge.shard`, and back; its batch in flight, and what that parks, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from bridge.errors import MigrationError
from bridge.shard.ledger import InFlight
from bridge.shard.parked import Change, Parked, Place, State
from bridge.shard.position import Pair, Position, Snapshot


def position_columns(position: Position) -> dict[str, int | str | None]:
    """By name."""
    late = position.late
    return {
        "scan_from": position.scan_from,
        "cursor": position.pair.cursor,
        "snapshot": str(position.pair.snapshot),
        "late_cursor": None if late is None else late.cursor,
        "late_snapshot": None if late is None else str(late.snapshot),
    }


def position_of(
    scan_from: int, cursor: int, snapshot: str, late_cursor: int | None, late_snapshot: str | None
) -> Position:
    """From the columns, snapshots as text."""
    late = None
    if late_cursor is not None and late_snapshot is not None:
        late = Pair(late_cursor, Snapshot.parse(late_snapshot))
    return Position(scan_from, Pair(cursor, Snapshot.parse(snapshot)), late)


def in_flight_json(in_flight: InFlight) -> Jsonb:
    """For the column `in_flight`."""
    return _json(
        {
            "position": position_columns(in_flight.position),
            "event_queue": in_flight.event_queue,
            "entity_events": in_flight.entity_events,
            "changes": [_row(change) for change in in_flight.changes],
        }
    )


def in_flight_of(given: Mapping[str, Any]) -> InFlight:
    """From the column `in_flight`.

    Raises MigrationError where it says what this program does not know: what settles a batch must be understood whole.
    """
    try:
        position, changes = position_of(**given["position"]), tuple(map(_change, given["changes"]))
        found = InFlight(position, given["event_queue"], given["entity_events"], changes)
    except (KeyError, TypeError, ValueError):
        found = None
    if found is None or in_flight_json(found).obj != given:
        raise MigrationError(
            "the batch in flight was written by another version of bridge, and this one does not know all that it says",
            hint="End this relay, and start one of that version (docs/upgrading.md)",
        )
    return found


def changes_json(changes: Iterable[Change]) -> Jsonb:
    """For `queries/park_events.sql` and `unpark_events.sql`."""
    return _json([_row(change) for change in changes])


def _json(value: object) -> Jsonb:
    return Jsonb(value, dumps=orjson.dumps)


def _row(change: Change) -> dict[str, object]:
    row = change.after
    if row is None:
        return {"seq": change.seq, "state": "published"}
    return {
        "seq": row.seq,
        "source": row.source,
        "id": row.id,
        "us": row.at_us,
        "topic": row.place.topic,
        "key_hash": row.place.key_hash,
        "state": row.state,
        "blocks": row.blocks,
        "stops": row.stops,
        "waits_for": row.waits_for,
        "due_us": row.due_us,
        "reason": row.reason,
    }


def _change(row: Mapping[str, Any]) -> Change:
    if row["state"] == "published":
        return Change(row["seq"], None, None)
    place = Place(row["topic"], row["key_hash"])
    parked = Parked(
        row["seq"], row["source"], row["id"], row["us"], place, State(row["state"]), row["blocks"],
        row["waits_for"], row["due_us"], row["reason"], row["stops"],
    )  # fmt: skip
    return Change(parked.seq, None, parked)
