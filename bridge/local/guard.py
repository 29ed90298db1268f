"""Ends the servers of an `up` that was killed: `python -m bridge.local.guard DIRECTORY TOKEN`.

It sleeps on a pipe whose other end only the command holds. When the command ends, finished or not, the pipe closes;
if the token is still in the state by then, the command did not finish and its servers must not stay.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bridge.local.stack import Stack


def main(directory: str, token: str) -> None:
    """Wait for the command's end, then stop what it would leave behind."""
    sys.stdin.buffer.read()
    Stack(Path(directory)).stop_owned(token)


if __name__ == "__main__":
    main(*sys.argv[1:])
