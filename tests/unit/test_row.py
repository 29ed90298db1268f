"""What a relay writes into the ledger, its successor reads."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from bridge.errors import MigrationError
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE
from bridge.postgres.row import changes_json, in_flight_json, in_flight_of, position_columns, position_of
from bridge.shard.ledger import InFlight
from bridge.shard.parked import Change, Parked, Place, State
from bridge.shard.position import Pair, Position, Snapshot

numbers = st.integers(0, (1 << 63) - 1)
hashes = st.integers(-(1 << 63), (1 << 63) - 1)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
snapshots = st.builds(Snapshot, numbers, numbers, st.lists(numbers, max_size=3).map(tuple))
pairs = st.builds(Pair, numbers, snapshots)
positions = st.builds(Position, numbers, pairs, st.none() | pairs)
rows = st.builds(
    Parked,
    seq=numbers,
    source=st.sampled_from([EVENT_QUEUE, ENTITY_EVENTS]),
    id=st.uuids().map(str),
    at_us=hashes,
    place=st.builds(Place, texts, hashes),
    state=st.sampled_from(State),
    blocks=st.booleans(),
    waits_for=st.none() | texts,
    due_us=st.none() | numbers,
    reason=st.none() | texts,
)
changes = st.one_of(
    rows.map(lambda row: Change(row.seq, None, row)),
    st.builds(lambda before, after: Change(before.seq, before, after._replace(seq=before.seq)), rows, rows),
    rows.map(lambda row: Change(row.seq, row, None)),
)
in_flights = st.builds(InFlight, positions, numbers, numbers, st.lists(changes, max_size=4).map(tuple))


def as_stored(in_flight: InFlight) -> object:
    """By way of text, which must be plain JSON."""
    json = in_flight_json(in_flight)
    assert json.dumps is not None
    return orjson.loads(json.dumps(json.obj))


@given(positions)
def test_a_position_is_what_its_columns_say(position: Position) -> None:
    assert position_of(**position_columns(position)) == position  # type: ignore[arg-type]


@given(in_flights)
def test_a_taker_knows_what_was_in_flight(in_flight: InFlight) -> None:
    """All but what the events were parked as before, which nobody needs once the batch's fate is known."""
    stored = as_stored(in_flight)
    assert isinstance(stored, dict)
    known = tuple(Change(change.seq, None, change.after) for change in in_flight.changes)
    read = in_flight_of(stored)
    assert read == InFlight(in_flight.position, in_flight.event_queue, in_flight.entity_events, known)
    assert [type(change.after.state) for change in read.changes if change.after is not None] == [
        State for change in known if change.after is not None
    ]
    assert (read.dead(EVENT_QUEUE), read.dead(ENTITY_EVENTS)) == (
        in_flight.dead(EVENT_QUEUE), in_flight.dead(ENTITY_EVENTS)
    )  # fmt: skip
    assert as_stored(read) == stored


@given(in_flights, st.sampled_from(["", "position", "changes"]), st.sampled_from(["new_key", "state", "position"]))
def test_what_a_newer_version_wrote_is_taken_whole_or_not_at_all(in_flight: InFlight, where: str, what: str) -> None:
    """Whoever would leave out what he does not know would settle another batch."""
    stored: Any = as_stored(in_flight)
    place: Any = stored if not where else stored[where]
    if where == "changes":
        place.append({"seq": 1, "state": "published"})
        place = place[-1]
    place[what] = "unknown"
    with pytest.raises(MigrationError, match="another version"):
        in_flight_of(stored)


@given(st.lists(changes, max_size=4))
def test_what_is_settled_says_published_or_how_it_is_parked(given: list[Change]) -> None:
    """`park_events.sql` and `unpark_events.sql` go by the state, and each takes what the other leaves."""
    stored = changes_json(given).obj
    assert [(row["seq"], row["state"]) for row in stored] == [
        (change.seq, "published" if change.after is None else change.after.state) for change in given
    ]
    assert not any(state == "published" for state in State)
