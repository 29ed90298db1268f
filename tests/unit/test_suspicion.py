"""The event for which batches fail is found, whatever its place, and only that one."""

from __future__ import annotations

from math import ceil, log2

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bridge.event import EVENT_QUEUE, DeadLetter, Event
from bridge.shard.suspicion import PATIENCE, Suspicion


def event(seq: int) -> Event:
    return Event(EVENT_QUEUE, seq, str(seq), "t", "key", "{}", None, 0)


def carry(count: int, bad: set[int], batch: int, *, bare: set[int] = frozenset()) -> tuple[dict[int, DeadLetter], int]:
    """Carry events as a shard does; those of `bad` fail unless they are dead letters, those of `bare` unless bare ones.

    Returns the dead letters, and how many batches were tried.
    """
    suspicion, left, dead, tries = Suspicion(), list(range(1, count + 1)), {}, 0
    while left:
        assert tries < 2000, "goes on for ever"
        tries += 1
        tried = left[: min(batch, suspicion.limit or batch)]
        letters = {seq: letter for seq in tried if (letter := suspicion.letter(event(seq))) is not None}
        if any(_fails(letters.get(seq), seq in bad, seq in bare) for seq in tried):
            suspicion.failed(tried, "a bug")
        else:
            suspicion.passed(tried)
            dead |= letters
            left = left[len(tried) :]
    return dead, tries


def _fails(letter: DeadLetter | None, is_bad: bool, is_bare: bool) -> bool:
    return (is_bad and letter is None) or (is_bare and (letter is None or letter.event.payload != "null"))


@given(st.integers(1, 300), st.sets(st.integers(1, 300), max_size=4), st.integers(1, 100))
def test_only_the_bad_events_are_dead(count: int, bad: set[int], batch: int) -> None:
    bad = {seq for seq in bad if seq <= count}
    dead, tries = carry(count, bad, batch)
    assert dead.keys() == bad
    assert tries <= ceil(count / batch) + len(bad) * (PATIENCE + ceil(log2(batch)) + 4)


@pytest.mark.parametrize("bad", [1, 2, 1250, 2500, 2501, 4096, 4999, 5000])
def test_one_that_is_refused_costs_its_batch_no_more_than_a_bisection(bad: int) -> None:
    dead, tries = carry(5000, {bad}, 5000)
    assert dead.keys() == {bad}
    assert tries <= PATIENCE + ceil(log2(5000)) + 4 < 2 * log2(5000)


def test_the_next_one_of_the_batch_is_looked_for_at_once() -> None:
    dead, tries = carry(5000, {10, 20, 30}, 5000)
    assert dead.keys() == {10, 20, 30}
    assert tries <= PATIENCE + 3 * (ceil(log2(5000)) + 4)


def test_whoever_is_known_to_fail_does_not_make_others_go_alone() -> None:
    suspicion = Suspicion()
    for _ in range(PATIENCE):
        suspicion.failed([50], "a bug, while it was encoded")
    assert suspicion.letter(event(50)) is not None
    assert suspicion.limit is None


def test_suspects_that_are_parked_meanwhile_are_not_waited_for() -> None:
    suspicion = Suspicion()
    for _ in range(PATIENCE):
        suspicion.failed([1, 2, 3, 4], "a bug")
    assert suspicion.limit == 2
    suspicion.passed([])
    assert suspicion.limit == 2
    suspicion.passed([7, 8])
    assert suspicion.limit is None


def test_a_try_that_tells_more_is_told_from_one_that_does_not() -> None:
    suspicion = Suspicion()
    told = [suspicion.failed(seqs, "a bug") for seqs in ([1, 2], [1, 2], [1, 2], [1, 2], [1], [1], [1])]
    assert told == [False, False, True, False, True, True, False]


def test_chance_is_no_reason() -> None:
    suspicion = Suspicion()
    for _ in range(PATIENCE - 1):
        suspicion.failed([1, 2, 3], "chance")
    assert suspicion.limit is None
    suspicion.passed([1, 2, 3])
    suspicion.failed([4, 5], "chance")
    assert suspicion.limit is None


def test_a_letter_that_fails_too_is_bare() -> None:
    dead, _ = carry(5, set(), 5, bare={3})
    assert dead[3].event.payload == "null"
    assert dead[3].event.key == ""
    assert dead[3].reason == "a bug"


def test_what_fails_without_a_batch_suspects_nobody() -> None:
    suspicion = Suspicion()
    for _ in range(10):
        suspicion.failed([], "the server")
    assert suspicion.limit is None


def test_who_is_in_doubt_is_tried_in_parts_and_never_dead() -> None:
    """A link that is too slow for more than 7 at once; what nobody foresaw needs its own failures after that."""
    suspicion, left, failures = Suspicion(), list(range(1, 101)), 0
    while left:
        assert failures < 100, "goes on for ever"
        tried = left[: suspicion.limit or 100]
        assert suspicion.letter(event(tried[0])) is None
        if len(tried) > 7:
            failures += 1
            suspicion.doubted(tried)
        else:
            suspicion.passed(tried)
            left = left[len(tried) :]
    assert failures == PATIENCE
    assert suspicion.limit is None
    for _ in range(PATIENCE):
        suspicion.doubted([101])
    suspicion.failed([101], "a bug")
    assert suspicion.letter(event(101)) is None


def test_single_failures_do_not_add_up_while_smaller_batches_are_wanted() -> None:
    suspicion = Suspicion()
    for _ in range(2 * PATIENCE):
        suspicion.doubted([*range(1, 101)][: suspicion.limit or 100])
    for seq in range(1, 10):
        suspicion.failed([seq], "chance")
        assert suspicion.letter(event(seq)) is None
        suspicion.passed([seq])
