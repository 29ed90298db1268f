"""What is wrong with a bridge, or should be known about it. Each part is looked at for itself, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import psycopg

from bridge.admin.checks.capture import check_capture
from bridge.admin.checks.certificates import check_certificates
from bridge.admin.checks.check import Check, Level, carefully, problem
from bridge.admin.checks.config import check_config
from bridge.admin.checks.disk import check_disk
from bridge.admin.checks.kafka import check_kafka
from bridge.admin.checks.keeper import check_keeper
from bridge.admin.checks.postgres import check_server
from bridge.admin.checks.registry import check_registry
from bridge.admin.checks.relays import check_relays
from bridge.admin.checks.rights import check_rights
from bridge.admin.checks.schemas import check_schema_tables
from bridge.admin.checks.secrets import check_secrets
from bridge.admin.checks.sessions import check_locks, check_sessions
from bridge.admin.tracking import list_tracked
from bridge.configuration.load import Configuration
from bridge.errors import BridgeError, Unavailable
from bridge.postgres.connection import connect, look_briefly
from bridge.postgres.tracking import Finding, tracking_report
from bridge.text import place

STATEMENT_SECONDS = 30
PARTS = ("config", "postgres", "kafka", "registry")


@dataclass(frozen=True, slots=True)
class Examined:
    """All checks, in order; `unasked` are the parts whose server could not be asked."""

    checks: tuple[Check, ...]
    unasked: tuple[str, ...]

    @property
    def problems(self) -> int:
        """The number of checks that somebody must do something about."""
        return sum(check.level is Level.PROBLEM for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"checks": self.checks, "problems": self.problems, "unasked": self.unasked}


def examine(configuration: Configuration) -> Examined:
    """Look at everything; a server that is away is a line of it."""
    looks: dict[str, Callable[[], Iterable[Check]]] = {
        "config": lambda: chain(
            check_config(configuration), check_secrets(configuration), check_certificates(configuration.settings)
        ),
        "postgres": lambda: _postgres(configuration),
        "kafka": lambda: check_kafka(configuration.settings),
        "registry": lambda: check_registry(configuration),
    }
    checks: list[Check] = []
    unasked: list[str] = []
    for part in PARTS:
        try:
            checks.extend(looks[part]())
        except Unavailable as error:
            unasked.append(part)
            checks.append(problem(part, error.message, error.hint))
        except BridgeError as error:
            checks.append(problem(part, error.message, error.hint))
        except Exception as error:  # a bug in one look must not hide what the others find
            checks.append(problem(part, f"unforeseen: {place(error)}", "This looks like a bug of bridge: report it"))
    return Examined(tuple(checks), tuple(unasked))


def _postgres(configuration: Configuration) -> Iterator[Check]:
    settings = configuration.settings
    with connect(settings.database, application_name="bridge doctor") as conn:
        look_briefly(conn, STATEMENT_SECONDS)
        yield from check_server(conn, settings)
        if conn.execute("select to_regnamespace('bridge') is null").fetchone() == (True,):
            return  # that it lacks its migrations is told; all else would come of that
        yield from carefully("postgres locks", lambda: check_locks(conn))
        yield from carefully("postgres rights", lambda: check_rights(conn, settings))
        yield from carefully("postgres transactions", lambda: check_sessions(conn))
        yield from carefully("postgres disk", lambda: check_disk(conn))
        yield from carefully("relays", lambda: check_relays(conn, settings))
        yield from carefully("capture", lambda: check_capture(conn, settings))
        yield from carefully("schemas", lambda: check_schema_tables(conn, configuration))
        yield from carefully("keeper", lambda: check_keeper(conn))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How many tables are tracked, and what was found about them."""

    tracked: int
    findings: list[Finding]

    @property
    def problems(self) -> int:
        """The number of findings that somebody must do something about."""
        return sum(finding.is_problem for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        findings = [finding._asdict() for finding in self.findings]
        return {"tracked": self.tracked, "problems": self.problems, "findings": findings}


def examine_capture(conn: psycopg.Connection) -> Diagnosis:
    """Look at the tracking of tables alone."""
    return Diagnosis(len(list_tracked(conn)), tracking_report(conn))
