"""Every error that Postgres can raise has one reaction: it is away, it refuses, or nobody foresaw it."""

from __future__ import annotations

import inspect

import psycopg
import pytest
from psycopg import errors

from bridge.errors import DatabaseRefuses, DatabaseUnavailable
from bridge.postgres.explained import AWAY, REFUSES, RIGHTS, as_ours, explained

ALL = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if isinstance(getattr(kind, "sqlstate", None), str)
]
# What only a bug of ours, or a value that we did not expect, can bring about.
BUGS = {
    "21",
    "22",
    "23",
    "24",
    "26",
    "2B",
    "2D",
    "2F",
    "34",
    "38",
    "39",
    "3B",
    "42",
    "44",
    "0B",
    "F0",
    "HV",
    "P0",
    "XX",
}
BUGS |= {"02", "03", "09", "0F", "0L", "0P", "0Z", "10", "20", "27"}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{kind.sqlstate} {kind.__name__}")
def test_each_has_one_reaction(kind: type[psycopg.Error]) -> None:
    ours = as_ours(kind("x"))
    if ours is None:
        assert kind.sqlstate[:2] in BUGS
    else:
        assert type(ours) in (DatabaseUnavailable, DatabaseRefuses)


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (errors.AdminShutdown, DatabaseUnavailable),
        (errors.CannotConnectNow, DatabaseUnavailable),
        (errors.TooManyConnections, DatabaseUnavailable),
        (errors.InsufficientPrivilege, DatabaseRefuses),
        (errors.ReadOnlySqlTransaction, DatabaseRefuses),
        (errors.SerializationFailure, DatabaseRefuses),
        (errors.QueryCanceled, DatabaseRefuses),
        (errors.DiskFull, DatabaseRefuses),
        (psycopg.OperationalError, DatabaseUnavailable),
    ],
)
def test_what_a_relay_meets(kind: type[psycopg.Error], ours: type[DatabaseUnavailable]) -> None:
    with pytest.raises(DatabaseUnavailable) as caught, explained():
        raise kind("the first line\nthe second, with a value")
    assert type(caught.value) is ours
    assert str(caught.value) == ". ".join(
        ["the first line", *([RIGHTS] if kind is errors.InsufficientPrivilege else [])]
    )


@pytest.mark.parametrize("kind", [errors.NumericValueOutOfRange, errors.SyntaxError, psycopg.ProgrammingError])
def test_what_nobody_foresaw_passes(kind: type[psycopg.Error]) -> None:
    with pytest.raises(kind), explained():
        raise kind("x")


def test_no_code_is_in_both_tables() -> None:
    assert not AWAY.keys() & REFUSES.keys()
