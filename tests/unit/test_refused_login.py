"""What a server says to a login is a refusal, or that it is away, by words and by what it was told."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import FinishedPGconn

from bridge.refused_login import is_refused

AT = 'connection failed: connection to server at "10.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "was_told", "expected"),
    [
        ('FATAL:  password authentication failed for user "a"', True, True),
        ('FATAL:  database "a" does not exist', False, True),
        ("FATAL:  Passwort-Authentifizierung für Benutzer »a« fehlgeschlagen", True, True),
        ("ВАЖНО:  база данных «a» не существует", True, True),
        ("FATAL:  tut mir leid, schon zu viele Verbindungen", False, False),
        ("FATAL:  the database system is starting up", False, False),
        ('FATAL:  too many connections for role "a"', True, False),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", True, False),
        ("FATAL:  terminating connection due to administrator command", True, False),
        ("server closed the connection unexpectedly\n\tThis probably means ...:  x", True, False),
        ("Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", False, False),
    ],
)
def test_what_a_server_says_to_a_login(said: str, was_told: bool, expected: bool) -> None:
    error = psycopg.OperationalError(AT + said, pgconn=FinishedPGconn(used_password=was_told))
    assert is_refused(error) is expected


def test_an_error_without_a_connection_is_no_refusal() -> None:
    assert not is_refused(psycopg.errors.ConnectionTimeout("connection timeout expired"))
    assert is_refused(psycopg.errors.InvalidPassword("x"))
