"""A call that never returns is given up."""

from __future__ import annotations

import threading

import pytest

from bridge.kafka.deadline import within


def test_it_waits_for_the_call() -> None:
    done: list[int] = []
    within(60, lambda: done.append(1))
    assert done == [1]


def test_it_raises_what_the_call_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 / 0)


@pytest.mark.timeout(30)
def test_it_gives_up() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
        within(0.01, never.wait)
    never.set()
