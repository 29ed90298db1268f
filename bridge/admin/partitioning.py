"""Of which tables the keeper makes and retires partitions; what a person decides about that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from bridge.admin.tables import find_table
from bridge.errors import ConfigError
from bridge.keeping.cold_store import absolute
from bridge.postgres.queries import query
from bridge.text import counted

WRONG = (
    errors.WrongObjectType,
    errors.UndefinedColumn,
    errors.InvalidParameterValue,
    errors.CheckViolation,
    errors.InsufficientPrivilege,
    errors.DataError,  # an interval that is none
)
INTERVALS = "Write --keep-for as Postgres writes intervals: '90 days', '1 year'"
OURS = ("bridge.outbox", "bridge.history", "bridge.activity_log", "bridge.activity_log_archive")


class Policy(NamedTuple):
    """What becomes of one table's partitions; `keep_for` is an interval as Postgres writes it, None: for ever."""

    parent: str
    control: str
    step: str
    premake: int
    keep_for: str | None
    expiry: str
    location: str | None
    format: str

    @property
    def lines(self) -> list[str]:
        """The same for a person."""
        lines = [f"{self.parent}: one partition a {self.step} by {self.control}, {self.premake} made ahead"]
        if self.keep_for is None:
            return [*lines, "  nothing leaves"]
        ends = {
            "drop": "dropped",
            "detach": "detached, and stays as a table of its own",
            "archive": "dropped, once its rows are in bridge.activity_log_archive",
            "files": f"dropped, once it lies in cold files ({self.format.capitalize()}) in {self.location}",
        }
        return [*lines, f"  {self.keep_for} after its end a partition is {ends[self.expiry]}"]


class Leaving(NamedTuple):
    """How many partitions the next run takes out, and of which days (UTC)."""

    partitions: int
    first: str | None
    last: str | None

    def __str__(self) -> str:
        if not self.partitions:
            return "  nothing is to leave at the next run"
        return f"  at the next run {counted(self.partitions, 'partition', 'leave')}, from {self.first} to {self.last}"


def leaving_now(conn: psycopg.Connection, policy: Policy) -> Leaving:
    """What the policies that hold in this transaction come to for one table."""
    return Leaving(*conn.execute(query("leaving_now"), {"parent": policy.parent}).fetchone() or (0, None, None))


def set_policy(conn: psycopg.Connection, name: str, wanted: Mapping[str, object]) -> Policy:
    """Have the keeper look after a table, or change how it does. Raises ConfigError for what cannot be."""
    table = find_table(conn, name)
    location = wanted.get("location")
    if location is not None:
        _check_location(str(location))
    try:
        with conn.cursor(row_factory=class_row(Policy)) as cursor:
            policy = cursor.execute(query("set_partition_policy"), {"table": table.oid, **wanted}).fetchone()
    except WRONG as error:
        message = (error.diag.message_primary or "it cannot be").partition("\n")[0]
        hint = INTERVALS if isinstance(error, errors.InvalidDatetimeFormat) else error.diag.message_hint
        raise ConfigError(message, hint=hint) from error
    assert policy is not None  # noqa: S101 - a function returns a row
    return policy


def _check_location(location: str) -> None:
    """It is written down for keepers on other machines, in a table that others read."""
    if "://" not in location and not location.startswith("/"):
        raise ConfigError(
            f"{location} is no place that each keeper knows",
            hint="Give an absolute directory, or a URL such as s3://...",
        )
    absolute(location)


def forget_policy(conn: psycopg.Connection, name: str) -> str:
    """Let a table of one's own be; its partitions stay. Raises ConfigError where the keeper does not look after it."""
    table = find_table(conn, name)
    if table.name in OURS:
        raise ConfigError(f"{table.name} is bridge's own", hint="To let nothing leave: --keep-for 0")
    if conn.execute(query("drop_partition_policy"), {"table": table.oid}).rowcount == 0:
        raise ConfigError(f"the keeper does not look after {table.name}", hint="See bridge status")
    return table.name
