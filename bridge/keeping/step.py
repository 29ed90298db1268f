"""What a job of the keeper is, and what it says about each thing that it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import psycopg
from psycopg import errors

from bridge.errors import BridgeError, DatabaseUnavailable
from bridge.postgres.explained import as_ours
from bridge.settings import Settings
from bridge.text import place

BUSY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled)


class Outcome(StrEnum):
    """How a step, or a job, has ended."""

    OK = "ok"
    BUSY = "busy"  # a lock was not to be had in time; the next run tries again
    ERROR = "error"


class Step(NamedTuple):
    """One thing that a job did or could not do, as `bridge.maintenance_log` has it.

    `is_routine`: it is done so often that, if it went well, it is not written there.
    """

    action: str
    target: str
    outcome: Outcome
    detail: str = ""
    is_routine: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """What a job works with. The connection is in autocommit mode: each step has a transaction of its own."""

    conn: psycopg.Connection
    settings: Settings
    pause: Callable[[float], bool]  # wait so many seconds; whether to go on (else the keeper ends: return soon)


Job = Callable[[House], Iterator[Step]]


def attempt(house: House, action: str, target: str, do: Callable[[], str]) -> Step:
    """Do one thing; `do` returns what there is to say about it. What goes wrong is told, and stops nothing else.

    Raises DatabaseUnavailable where the connection is lost.
    """
    try:
        return Step(action, target, Outcome.OK, do())
    except psycopg.Error as error:
        ours = as_ours(error)
        if isinstance(ours, DatabaseUnavailable) and house.conn.closed:
            raise ours from error
        message = str(ours or f"{error.sqlstate}: {error.diag.message_primary}{_who(error)}")
        return Step(action, target, Outcome.BUSY if isinstance(error, BUSY) else Outcome.ERROR, message)
    except (BridgeError, OSError) as error:
        return Step(action, target, Outcome.ERROR, str(error))
    except Exception as error:  # one thing's bug must not stop the others
        return Step(action, target, Outcome.ERROR, f"unforeseen: {place(error)}. Please report it")


def _who(error: psycopg.Error) -> str:
    """What stands against it, where Postgres says so in the details: names alone, for these hold values, too."""
    if isinstance(error, errors.DependentObjectsStillExist):  # these are names and nothing else
        return f" ({'; '.join((error.diag.message_detail or '').splitlines())})"
    if isinstance(error, errors.ForeignKeyViolation) and error.diag.constraint_name:
        table = ".".join(filter(None, (error.diag.schema_name, error.diag.table_name)))
        return f" (the constraint {error.diag.constraint_name} of {table})"
    return ""
