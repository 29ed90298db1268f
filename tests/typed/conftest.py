"""The database of the tests of typed changes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from typed.scene import Db


@pytest.fixture
def db(either_version: str) -> Iterator[Db]:
    with psycopg.connect(either_version, autocommit=True) as conn:
        yield conn
