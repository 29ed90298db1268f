"""How long, and how, each model is run: `BRIDGE_TEST_MODEL_RUNS` histories, shortened after a failure, or not."""

from __future__ import annotations

import logging
import math
import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from bridge.shard import releases

RUNS = int(os.environ.get("BRIDGE_TEST_MODEL_RUNS", "500"))
SHRINKS = os.environ.get("BRIDGE_TEST_MODEL_SHRINK", "1") == "1"
PHASES = (Phase.generate, Phase.shrink)


def run(machine: type[RuleBasedStateMachine], steps: int) -> None:
    """Each history has at most so many steps; what the relay logs of them is told to nobody.

    A look without a reason, now and then, would hide that one was missed.
    """
    how = settings(
        max_examples=RUNS,
        stateful_step_count=steps,
        phases=PHASES if SHRINKS else PHASES[:1],
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    logging.getLogger("bridge").setLevel(logging.CRITICAL)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(releases, "LOOK_SECONDS", math.inf)
            run_state_machine_as_test(machine, settings=how)
    finally:
        logging.getLogger("bridge").setLevel(logging.NOTSET)
