"""Commands of `bridge` in the test's own process, where that they have one of their own is not the claim.

A Python that starts, and imports what a command needs, takes a quarter of a second of CPU.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Mapping, Sequence

from click.testing import CliRunner

from bridge.cli.ending import Interrupted, run
from bridge.cli.main import cli

ALONE = ("bench", "demo", "local", "maintain", "mcp", "run", "web")  # handle signals, or start others


def run_here(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """As subprocess.run() gives it; `environment` is added to the test's own."""
    before = list(logging.getLogger().handlers)
    try:
        with CliRunner().isolation(env=environment) as (out, err, _):
            code = run(cli, arguments)
    finally:
        logging.getLogger().handlers[:] = before
    if code == Interrupted.exit_code:  # by who runs the tests: nothing is asked here
        raise KeyboardInterrupt
    return subprocess.CompletedProcess(list(arguments), code, out.getvalue().decode(), err.getvalue().decode())
