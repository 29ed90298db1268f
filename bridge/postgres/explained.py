"""What Postgres says, as one of our errors, whose class decides the reaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bridge.errors import DatabaseRefuses, DatabaseUnavailable


@contextmanager
def explained() -> Iterator[None]:
    """Raise our error for a psycopg.Error that is foreseen; others pass. Also a decorator."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(str(error).splitlines()[0]) from error
    except psycopg.Error as error:
        raise DatabaseRefuses(error.diag.message_primary or type(error).__name__) from error
