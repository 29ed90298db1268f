"""Ports for the servers of tests. No two of a session are the same, or one would take what another is about to use.

A port is free until its server listens, and while a test has it stopped: each worker has a share of its own, and gives
each port once. By chance, four workers that begin together would choose one twice in a hundredth of all sessions.
"""

from __future__ import annotations

import os
import random

from bridge.local.state import PORT_RANGE, is_port_free

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_share = PORT_RANGE[_worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
_left = iter(random.sample(_share, len(_share)))  # in another order than another session's on this machine


def free_port() -> int:
    """One that nobody listens on, and nobody else of this session is given."""
    return next(port for port in _left if is_port_free(port))
