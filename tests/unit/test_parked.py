"""Which events a batch may carry, behind those that stay parked: by hand, and against the rule itself.

The rule: an event goes exactly where nothing earlier of its place stays parked that blocks.
"""

from __future__ import annotations

from collections.abc import Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bridge.event import EVENT_QUEUE, Event
from bridge.shard.parked import Change, Parked, Parking, Place, State, Verdict

A, B = Place("a", 1), Place("b", 1)
places = st.sampled_from([A, A, B])
OUTCOMES = ("published", "dead", "dead, but nobody waits", "left")


def row(seq: int, place: Place = A, state: State = State.WAITING, *, blocks: bool = True) -> Parked:
    return Parked(seq, EVENT_QUEUE, str(seq), 0, place, state, blocks)


def dead(seq: int, place: Place = A) -> Parked:
    return row(seq, place, State.DEAD)


def replayed(seq: int, place: Place = A) -> Parked:
    return row(seq, place, State.REPLAYED, blocks=False)


def test_an_event_is_parked_as_what_it_is() -> None:
    event = Event(EVENT_QUEUE, 3, "id", "type", "key", "{}", None, 123, 45)
    assert Parked.of(event, "a", State.DEFERRED, blocks=False) == Parked(
        3, EVENT_QUEUE, "id", 123, Place("a", 45), State.DEFERRED, False
    )


def test_what_waits_frees_its_place_once_the_last_of_it_goes() -> None:
    parking = Parking({A: 7}, {}, ())
    for seq in (5, 7):
        assert parking.new(A, 99) is Verdict.WAIT
        assert parking.released(row(seq)) is Verdict.TRY
        parking.published(row(seq))
    assert parking.new(A, 99) is Verdict.TRY
    assert [change.after for change in parking.changes.values()] == [None, None]


def test_what_stays_blocks_what_is_behind_it_and_nothing_before_it() -> None:
    parking = Parking({A: 9, B: 4}, {}, ())
    parking.leave(row(5))
    assert [parking.released(row(seq)) for seq in (3, 9)] == [Verdict.TRY, Verdict.LEAVE]
    assert parking.released(row(9, B)) is Verdict.TRY
    assert parking.new(A, 99) is Verdict.WAIT
    assert not parking.changes


def test_a_deferred_event_that_stays_blocks_nobody() -> None:
    parking = Parking({}, {}, ())
    parking.leave(row(5, state=State.DEFERRED, blocks=False))
    assert parking.released(row(7)) is Verdict.TRY


def test_a_new_event_that_is_parked_blocks() -> None:
    parking = Parking({}, {}, ())
    parking.park(row(5))
    assert (parking.new(A, 99), parking.new(B, 99)) == (Verdict.WAIT, Verdict.TRY)
    parking = Parking({}, {}, ())
    parking.park(row(5, blocks=False))
    assert parking.new(A, 99) is Verdict.TRY


def test_what_is_parked_again_keeps_its_place_or_frees_it() -> None:
    parking = Parking({A: 5}, {}, ())
    parking.park(dead(5), row(5, state=State.RETRIED))
    assert parking.new(A, 99) is Verdict.WAIT
    parking = Parking({A: 5}, {}, ())
    parking.park(dead(5)._replace(blocks=False), row(5, state=State.RETRIED))
    assert parking.new(A, 99) is Verdict.TRY


def test_what_is_in_flight_counts_as_settled_and_is_not_touched() -> None:
    parking = Parking({A: 5}, {}, [Change(5, row(5), None), Change(7, None, dead(7, B))])
    assert parking.new(A, 99) is Verdict.TRY
    assert parking.new(B, 99) is Verdict.WAIT
    assert parking.released(row(9, B)) is Verdict.LEAVE
    assert parking.released(row(5)) is Verdict.LEAVE
    assert not parking.changes


def test_replayed_events_and_others_do_not_wait_for_each_other() -> None:
    parking = Parking({A: 9}, {}, [Change(4, None, dead(4))])
    assert parking.released(row(9)) is Verdict.LEAVE
    assert parking.released(replayed(7)) is Verdict.TRY
    parking.leave(replayed(7))
    assert parking.new(B, 99) is Verdict.TRY
    parking = Parking({}, {}, ())
    parking.leave(replayed(3))
    assert parking.released(row(5)) is Verdict.TRY
    assert parking.new(A, 99) is Verdict.TRY


def test_replayed_events_of_a_place_keep_their_order() -> None:
    parking = Parking({}, {}, ())
    parking.leave(replayed(3))
    assert parking.released(replayed(5)) is Verdict.LEAVE
    assert parking.released(replayed(5, B)) is Verdict.TRY


def test_a_replayed_event_that_is_parked_again_is_passed_by_none() -> None:
    parking = Parking({}, {}, [Change(3, None, replayed(3)._replace(waits_for="dead"))])
    assert parking.released(replayed(5)) is Verdict.LEAVE
    parking = Parking({}, {}, ())
    parking.park(replayed(3)._replace(waits_for="dead"), replayed(3))
    assert parking.released(replayed(5)) is Verdict.LEAVE
    assert parking.new(A, 99) is Verdict.TRY


def test_a_replayed_event_that_is_refused_holds_nothing_up() -> None:
    parking = Parking({}, {}, ())
    parking.park(replayed(3)._replace(state=State.REFUSED), replayed(3))
    assert parking.released(replayed(5)) is Verdict.TRY
    assert parking.new(A, 99) is Verdict.TRY


class Shard:
    """What is parked, and what a batch in flight has made of it."""

    def __init__(self, waiting: dict[int, Place], in_flight: dict[int, str], new_in_flight: dict[int, Place]) -> None:
        self.rows = {seq: row(seq, place) for seq, place in waiting.items()}
        self.unsettled = [Change(seq, self.rows[seq], outcome(self.rows[seq], what)) for seq, what in in_flight.items()]
        self.unsettled += [Change(seq, None, dead(seq, place)) for seq, place in new_in_flight.items()]
        self.settled = after(self.rows, self.unsettled)

    @property
    def blocked(self) -> dict[Place, int]:
        """As a read tells it, which does not see what is in flight."""
        return {self.rows[seq].place: seq for seq in sorted(self.rows)}


def outcome(row: Parked, what: str) -> Parked | None:
    if what == "published":
        return None
    return row._replace(state=State.DEAD, blocks=what == "dead")


def after(rows: dict[int, Parked], changes: Iterable[Change]) -> dict[int, Parked]:
    new = dict(rows)
    for change in changes:
        new.pop(change.seq, None)
        if change.after is not None:
            new[change.seq] = change.after
    return new


@st.composite
def shards(draw: st.DrawFn) -> Shard:
    """The batch in flight went by the same rule."""
    waiting = draw(st.dictionaries(st.integers(1, 8), places, max_size=5))
    in_flight: dict[int, str] = {}
    stuck: set[Place] = set()
    for seq, place in sorted(waiting.items()):
        what = draw(st.sampled_from(OUTCOMES)) if place not in stuck else "left"
        if what != "left":
            in_flight[seq] = what
        if what in ("left", "dead"):
            stuck.add(place)
    new = draw(st.dictionaries(st.integers(9, 11), places, max_size=2))
    return Shard(waiting, in_flight, new)


@given(shards(), st.data())
def test_an_event_goes_exactly_where_nothing_before_it_stays(shard: Shard, data: st.DataObject) -> None:
    parking = Parking(shard.blocked, {}, shard.unsettled)
    in_flight = {change.seq for change in shard.unsettled}

    def stands_before(seq: int, place: Place) -> bool:
        now = after(shard.settled, parking.changes.values())
        return any(other.place == place and other.blocks and other.seq < seq for other in now.values())

    for seq in sorted(shard.rows.keys() - in_flight):
        given = shard.rows[seq]
        verdict = parking.released(given)
        assert (verdict is Verdict.LEAVE) == stands_before(seq, given.place)
        what = data.draw(st.sampled_from(OUTCOMES)) if verdict is Verdict.TRY else "left"
        if what == "left":
            parking.leave(given)
        elif (parked := outcome(given, what)) is None:
            parking.published(given)
        else:
            parking.park(parked, given)
    for seq in range(12, 16):
        place = data.draw(places)
        verdict = parking.new(place, seq)
        assert (verdict is Verdict.WAIT) == stands_before(seq, place)
        what = data.draw(st.sampled_from(OUTCOMES)) if verdict is Verdict.TRY else "left"
        if what == "left":
            parking.park(row(seq, place))
        elif (parked := outcome(row(seq, place), what)) is not None:
            parking.park(parked)
    assert not in_flight.intersection(parking.changes)


# Topics that are stopped


def test_what_is_later_than_what_stops_its_topic_waits() -> None:
    parking = Parking({}, {"a": 5}, ())
    other_key = Place("a", 77)
    assert (parking.new(other_key, 4), parking.new(other_key, 6)) == (Verdict.TRY, Verdict.WAIT)
    assert (parking.released(row(4, other_key)), parking.released(row(6, other_key))) == (Verdict.TRY, Verdict.LEAVE)
    assert parking.new(Place("c", 77), 6) is Verdict.TRY


def test_what_stops_its_topic_goes_itself() -> None:
    parking = Parking({}, {"a": 5}, ())
    assert parking.released(row(5)._replace(state=State.RETRIED, stops=True)) is Verdict.TRY


@pytest.mark.parametrize("is_in_flight", [True, False])
def test_a_topic_is_stopped_at_once(is_in_flight: bool) -> None:
    stopping = dead(5)._replace(stops=True)
    parking = Parking({}, {"a": 9}, [Change(5, None, stopping)] if is_in_flight else [])
    if not is_in_flight:
        parking.park(stopping)
    other_key = Place("a", 77)
    assert (parking.new(other_key, 4), parking.new(other_key, 6)) == (Verdict.TRY, Verdict.WAIT)
    assert parking.released(row(6, other_key)) is Verdict.LEAVE


def test_replays_go_on_in_a_topic_that_is_stopped() -> None:
    assert Parking({}, {"a": 1}, ()).released(replayed(3)) is Verdict.TRY
