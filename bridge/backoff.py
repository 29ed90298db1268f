"""How long to wait before the next try: longer each time, with jitter so that two relays do not keep step."""

from __future__ import annotations

import random

LEAST_SECONDS = 0.1
FORESEEN_SECONDS = 3.0  # at most, for a server that is away: it is to be noticed when it is back
UNFORESEEN_SECONDS = 30.0  # at most, for what may be a bug


def backoff(attempt: int, most: float, least: float = LEAST_SECONDS) -> float:
    """Seconds before the try after `attempt` failures (0 for the first)."""
    return float(min(least * 2 ** min(attempt, 20), most) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
