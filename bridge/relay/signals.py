"""SIGTERM, SIGINT and SIGHUP end a relay in good order."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger(__name__)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at the first signal; a second one has no further effect."""
    was_said = False

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal was_said
        if not was_said:
            was_said = True
            logger.info("%s: finishing what is in flight", signal.Signals(number).name)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
