"""The directory of a stack: fit for it, one command at a time in it, removed with what the stack made."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console

from bridge.errors import ConfigError
from bridge.local.state import read_state

_FREE_BYTES = 1_500_000_000
_OWN = ("postgres", "kafka", "registry", "relay", "state", "lock")


def prepare(directory: Path) -> None:
    """Make the directory, or check that a stack may live in it; only its owner may enter it. Raises ConfigError."""
    if not {",", ";"}.isdisjoint(str(directory)):
        raise ConfigError(f"a comma or semicolon in {directory} would confuse the servers", hint="Choose another --dir")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {path.name for path in directory.iterdir()}
        # A lock without a state: another command has found the directory fit, and is at it right now.
        if names - {".gitignore"} and "lock" not in names and read_state(directory) is None:
            raise ConfigError(f"{directory} is not empty and holds no local servers", hint="Choose another --dir")
        directory.chmod(0o700)  # whatever the umask is, and what the servers make of it
        (directory / ".gitignore").write_text("*\n")
    except OSError as error:
        raise ConfigError(f"cannot use {directory} ({error.strerror})", hint="Choose another --dir") from error
    if shutil.disk_usage(directory).free < _FREE_BYTES:
        raise ConfigError(
            f"{directory} has less than {_FREE_BYTES / 1e9} GB of free space", hint="Free some, or choose another --dir"
        )


def purge(directory: Path) -> None:
    """Remove what the stack made, and the directory if nothing else is in it."""
    for path in filter(_is_own, list(directory.iterdir())):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not any(directory.iterdir()):
        directory.rmdir()


def _is_own(path: Path) -> bool:
    return path.name == ".gitignore" or path.name.split(".")[0] in _OWN


@contextmanager
def locked(directory: Path, console: Console) -> Iterator[None]:
    """Wait for other commands on this directory; the kernel frees the lock when its holder dies."""
    path = directory / "lock"
    while True:
        with _opened(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                console.print(f"waiting for another command on {directory}")
                fcntl.flock(file, fcntl.LOCK_EX)
            # A purge may have removed the file, or another command made a new one, while this one waited.
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield
                return
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w")
    except OSError as error:
        raise ConfigError(f"cannot write {path} ({error.strerror})", hint="Choose another --dir") from error
