"""SIGTERM, SIGINT and SIGHUP end a relay in good order, and in bounded time."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from bridge.log_fields import about

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
GRACE_SECONDS = 20.0  # for the batches in flight; below the 30 seconds after which Kubernetes kills
LATE = 3  # the exit code then: a server did not answer


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at the first signal; a second one has no further effect. What nohup or a shell ignores stays ignored.

    The process ends within GRACE_SECONDS then: `leave_in_time`.
    """
    has_begun = False

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal has_begun
        if not has_begun:
            has_begun = True
            leave_in_time()
            stop()
            logger.info("%s: finishing what is in flight", signal.Signals(number).name, extra=about("signal"))

    for number in heeded():
        signal.signal(number, on_signal)


def leave_in_time() -> None:
    """See to it that the process ends within GRACE_SECONDS, for a call to a server that hangs could keep it for ever.

    Leases run out by themselves, and the next owner finds out what became of the last batch.
    """
    timer = threading.Timer(GRACE_SECONDS, _leave)
    timer.daemon = True
    timer.start()


def heeded() -> list[signal.Signals]:
    """Those of SIGNALS that whoever started this process did not ask to ignore."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _leave() -> None:
    text = "not finished after %.0f s, because a server does not answer; leaving now"
    what = {"extra": about("end-overdue")}
    teller = threading.Thread(target=logger.error, args=(text, GRACE_SECONDS), kwargs=what, daemon=True)
    teller.start()
    teller.join(1)  # where nobody reads the log any more, it would take for ever
    os._exit(LATE)
