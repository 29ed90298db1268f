"""Each kind of error has one reaction, and what nobody foresaw has one, too."""

from __future__ import annotations

import inspect

import pytest

from bridge import errors
from bridge.errors import BridgeError
from bridge.reactions import AT_START, AT_START_UNTIL_EMPTY, OF_A_RELAY, OF_A_SHARD, OF_AN_EVENT, Reaction, reaction

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BridgeError)]
# Raised by commands, or by a relay as its last act; they have no reaction inside of one.
FINAL = {errors.BridgeError, errors.KeysBlocked, errors.UnforeseenFailure, errors.VerificationFailed}
# A bug, or what looks like one, is met by design.
UNFORESEEN = {errors.EventFailed, errors.RecordRefused}


def made(kind: type[BridgeError]) -> BridgeError:
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_is_foreseen_somewhere(kind: type[BridgeError]) -> None:
    of_ours = {reaction(made(kind), OF_AN_EVENT), reaction(made(kind), OF_A_SHARD)}
    assert (of_ours == {Reaction.BACK_OFF}) == (kind in FINAL | UNFORESEEN)


@pytest.mark.parametrize("table", [OF_AN_EVENT, OF_A_SHARD, OF_A_RELAY])
@pytest.mark.parametrize("error", [ValueError("x"), KeyError(), RecursionError(), MemoryError(), OSError(24, "files")])
def test_what_nobody_foresaw_backs_off(table: dict[type[BaseException], Reaction], error: Exception) -> None:
    assert reaction(error, table) is Reaction.BACK_OFF


@pytest.mark.parametrize("kind", [errors.DatabaseRefuses, errors.BrokerRefuses])
def test_a_refusal_is_waited_for_at_a_start_unless_somebody_waits_for_the_end(kind: type[BridgeError]) -> None:
    away = made(kind.__mro__[1])
    assert reaction(made(kind), AT_START) is reaction(away, AT_START) is Reaction.WAIT
    assert reaction(made(kind), AT_START_UNTIL_EMPTY) is Reaction.END
    assert reaction(away, AT_START_UNTIL_EMPTY) is Reaction.WAIT


def test_the_nearest_class_decides() -> None:
    assert reaction(made(errors.IncompatibleSchema), OF_AN_EVENT) is Reaction.HOLD
    assert reaction(made(errors.UnroutableEvent), OF_AN_EVENT) is Reaction.PARK
