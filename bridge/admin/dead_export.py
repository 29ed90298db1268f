"""Dead events with their payloads, as JSON lines in a file of one's own."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psycopg

from bridge.admin.dead import Wanted
from bridge.admin.dead_content import Content, read_contents
from bridge.errors import ConfigError
from bridge.event import UNREADABLE
from bridge.progress import Progress, silent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def export_dead(conn: psycopg.Connection, wanted: Wanted, path: Path, progress: Progress = silent) -> int:
    """Write them to a new file that only its owner may read; returns how many.

    On return it is on disk; nothing is left of it where that fails. Raises ConfigError where there is one already, or
    it cannot be made.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"there is a file {path} already", hint="Nothing is written over: name another") from None
    except OSError as error:
        raise ConfigError(f"the file {path} cannot be made: {error.strerror}") from error
    count = 0
    try:
        with os.fdopen(file, "wb") as stream:
            for content in read_contents(conn, wanted):
                stream.write(_line(content))
                count += 1
                progress("dead events", count, None)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return count


def _line(content: Content) -> bytes:
    """Numbers as they are spelled in the database; `note` says why there is no content."""
    document = asdict(content)
    del document["key_hash"], document["created_us"], document["is_readable"]
    document["note"] = None if content.is_readable else UNREADABLE
    document["created_at"] = EPOCH + timedelta(microseconds=content.created_us)
    for name in ("payload", "headers"):
        document[name] = orjson.Fragment(document[name] or "null")
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
