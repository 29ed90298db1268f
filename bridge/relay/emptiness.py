"""When `bridge run --until-empty` may end: nothing is pending, or nothing that could still move."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.errors import BridgeError, KeysBlocked


def is_done(pending: int, behind_dead: int, held: Sequence[BridgeError], *, is_stopped: bool) -> bool:
    """Whether all is done, once every shard is idle; `held` are the reasons why topics are, `is_stopped` if a shard is.

    Raises the first of `held`, or KeysBlocked, when what is left waits for a person.
    """
    if pending > behind_dead and held:
        raise held[0]
    if pending and pending == behind_dead and not is_stopped:
        raise KeysBlocked(
            f"{pending} events wait behind dead events of their keys",
            hint="See bridge dead list; then bridge dead retry, or bridge dead skip",
        )
    return pending == 0 or is_stopped
