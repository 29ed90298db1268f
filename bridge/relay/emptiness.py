"""When `bridge run --until-empty` may end: nothing is pending, or nothing that could still move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.errors import BridgeError, KeysBlocked, UnforeseenFailure
from bridge.relay.health import Health
from bridge.relay.shard_health import ShardHealth
from bridge.text import counted


def is_done(pending: int, behind_dead: int, shards: Mapping[int, ShardHealth], *, is_stopped: bool) -> bool:
    """Whether all is done, once every shard is idle or stuck.

    `pending` is what is left in shards that are not stopped; `is_stopped` if one waits for bridge recover: that is said
    instead of what waits behind dead events. Raises why, when what is left waits for a person: a topic is held (the
    error's own exit code), a shard meets a bug again and again (UnforeseenFailure), or all is behind dead events
    (KeysBlocked).
    """
    held: list[BridgeError] = [hold.why for health in shards.values() for hold in health.holds.current.values()]
    if pending > behind_dead and held:
        raise held[0]
    if pending:
        raise_if_stuck(shards.values())
    if pending != behind_dead:
        return False
    if pending and not is_stopped:
        raise KeysBlocked(
            f"{counted(pending, 'event', 'wait')} behind dead events of their keys",
            hint="See bridge dead list; then bridge dead retry, or bridge dead skip",
        )
    return True


def raise_if_stuck(healths: Iterable[Health]) -> None:
    """Raise UnforeseenFailure for what meets a bug again and again."""
    for health in healths:
        if health.unforeseen is not None and health.is_stuck:
            raise UnforeseenFailure(
                f"{health.who} does not get on: {health.unforeseen.cause}, {health.unforeseen.count} times",
                hint="Events wait in the database. Please report it",
            )
