"""A process of `bridge` ends without what C does at its end: threads of Kafka clients may still be at work."""

from __future__ import annotations

import subprocess
import sys

import pytest

AT_EXIT = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.strdup.restype = ctypes.c_void_p
text = ctypes.c_void_p(libc.strdup(b"C is ending"))
libc.__cxa_atexit(ctypes.cast(libc.puts, ctypes.c_void_p), text, None)
"""
BRIDGE = "from bridge.__main__ import main; main()"


@pytest.mark.parametrize(
    ("program", "arguments", "code", "has_ended"),
    [
        ("sys.exit(3)", [], 3, True),  # that this is noticed
        (BRIDGE, ["--version"], 0, False),
        (BRIDGE, ["nonsense"], 2, False),
    ],
)
def test_how_a_process_ends(program: str, arguments: list[str], code: int, has_ended: bool) -> None:
    command = [sys.executable, "-c", AT_EXIT + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("C is ending" in done.stdout) == has_ended


def test_what_was_printed_is_there_though_nobody_reads_it_yet() -> None:
    done = subprocess.run([sys.executable, "-m", "bridge", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n")
    assert "completion" in done.stdout


def test_output_that_cannot_be_written_is_no_success() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "bridge", "--version"], stdout=full, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("closed", [1, 2])
def test_who_closed_a_stream_is_not_told_of_a_failure(closed: int) -> None:
    command = f"{sys.executable} -m bridge --version {closed}>&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
