"""The database of the tests of capture."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from capture.history import Db


@pytest.fixture
def db(either_version: str) -> Iterator[Db]:
    with psycopg.connect(either_version, autocommit=True) as conn:
        conn.execute("set search_path = public")
        yield conn
