"""Named places in the protocol, in archiving, replays and erasures, where a test makes the process fail.

BRIDGE_FAILPOINT=name:action[@count] acts when `name` is reached for the `count`-th time (default 1) in a process:
`kill` sends SIGKILL to the process, `stop` sends SIGSTOP. Without the variable nothing is ever done.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading

NAMES = (
    "takeover_taken",  # lease and ledger taken, former owner not fenced yet
    "takeover_fenced",  # init_transactions done
    "takeover_arrived",  # arrival record committed, the last control record not looked for yet
    "takeover_found",  # last control record found, ledger not reconciled
    "read",  # events read, nothing claimed
    "claiming",  # in the middle of the claim's transaction, holding the row's lock
    "claimed",  # claim committed, no Kafka transaction begun
    "produced_some",  # in the middle of producing
    "produced",  # all handed to librdkafka
    "flushed",  # all records are with the brokers, the transaction not committed
    "published",  # Kafka transaction committed, not settled
    "settled",
    "keeper_began",  # a job is noted as begun, nothing of it is done
    "keeper_step",  # one step of a job is committed, not logged
)

ARCHIVING = (
    "cold_file_written",  # durable, and not in bridge.cold_file yet
    "cold_file_noted",
    "manifest_written",  # the state is still detached
    "exported",
    "verified",
    "dropping",  # the table is gone in a transaction that is not committed
    "dropped",
)

REPLAYING = ("replay_parked",)  # a slice of a replay is parked

ERASING = (
    "erased_rows",  # one slice is committed
    "cold_files_written",  # the new ones and their manifest, which does not count yet
    "cold_files_replaced",  # it counts, and the former files are still there
    "tombstoned",  # the certificate is not finished
)

_ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _parse(text: str | None) -> tuple[str, signal.Signals, int] | None:
    if not text:
        return None
    name, _, rest = text.partition(":")
    action, _, count = rest.partition("@")
    names = (*NAMES, *ARCHIVING, *REPLAYING, *ERASING)
    if name not in names or action not in _ACTIONS:
        raise ValueError(f"BRIDGE_FAILPOINT must be name:kill or name:stop, with a name of {', '.join(names)}")
    return name, _ACTIONS[action], int(count or 1)


_armed = _parse(os.environ.get("BRIDGE_FAILPOINT"))
_reached = itertools.count(1)


def failpoint(name: str) -> None:
    """Act if `name` is armed and its count is reached."""
    if _armed is not None and _armed[0] == name and next(_reached) == _armed[2]:
        # To this thread: a signal to the process may reach another one first, and this one goes on meanwhile.
        signal.pthread_kill(threading.get_ident(), _armed[1])
