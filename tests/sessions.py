"""Sessions that tests keep: to connect, and to look up what a first query needs, costs 9 ms of CPU, a look one."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

NAME = "kept by a test"  # by which tests/fix_database.py ends those of a database that is to be copied


class Sessions:
    """One for each thread and URL. What changes the session itself is for a connection of the test's own."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], psycopg.Connection[Any]] = {}

    def rows(self, url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the statement gives, which may be run twice where the server went away since the last one."""
        key = threading.get_ident(), url
        if (kept := self._kept.pop(key, None)) is not None:
            try:
                return self._ask(key, kept, statement, parameters)
            except psycopg.OperationalError:
                if not kept.closed:  # the statement's own trouble
                    raise
        conn = psycopg.connect(make_conninfo(url, application_name=NAME), autocommit=True, prepare_threshold=None)
        return self._ask(key, conn, statement, parameters)

    def close(self) -> None:
        """Of all threads."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _ask(
        self, key: tuple[int, str], conn: psycopg.Connection[Any], statement: str, parameters: tuple[object, ...]
    ) -> list[tuple[Any, ...]]:
        try:
            return conn.execute(statement.encode(), parameters).fetchall()
        finally:
            if not conn.closed:
                self._kept[key] = conn
