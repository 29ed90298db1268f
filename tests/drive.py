"""Runs command lines one after the other in one process, each as if it were one of its own; JSON on standard input.

For tests that look at what all commands say: a process for each would take a second for its imports alone.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from bridge.cli import ending, main, terminal

# These handle signals, and end their process if it has not ended 20 seconds later: so they have one of their own.
ALONE = ("maintain", "run", "web")


def run(line: list[str], seconds: float) -> int:
    """Its exit code; after `seconds` it gets a Ctrl-C."""
    for handler in list(logging.getLogger().handlers):
        logging.getLogger().removeHandler(handler)
    sys.argv[1:] = line  # `bridge run --workers` repeats it
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        return ending.run(main.cli, line)
    except KeyboardInterrupt:
        return 130
    finally:
        timer.cancel()


def break_connections(message: str) -> None:
    """From now on whoever connects to a database meets a bug whose text repeats what it was given."""
    import psycopg

    class Broken(psycopg.Connection[Any]):
        @classmethod
        def connect(cls, conninfo: str = "", **_: Any) -> Any:
            raise RuntimeError(f"{message} {conninfo}")

    psycopg.connect = Broken.connect
    psycopg.Connection.connect = Broken.connect


def carry_out(given: dict[str, Any]) -> Iterator[int]:
    """The exit code of each line; `environ` of each is added to that of all."""
    for line, environ in given["lines"]:
        print(f"$ bridge {line[0]}", file=sys.stderr, flush=True)
        seconds = given["seconds"].get(line[0], 30.0)
        before = dict(os.environ)
        os.environ.update(environ)
        if line[0] in ALONE and len(given["lines"]) > 1:
            alone = json.dumps(given | {"lines": [[line, {}]]})
            yield subprocess.run([sys.executable, __file__], input=alone, text=True, check=False).returncode
        else:
            yield run(line, seconds)
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    told = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    terminal.print_tracebacks()
    if told["broken"]:
        break_connections(told["broken"])
    codes = list(carry_out(told))
    sys.stdout.flush()
    if len(codes) == 1:
        sys.exit(codes[0])
    with open(told["codes"], "w") as file:
        json.dump(codes, file)
