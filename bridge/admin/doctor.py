"""What is wrong with a bridge, or should be known about it; so far, with the tracking of tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from bridge.admin.tracking import list_tracked
from bridge.postgres.tracking import Finding, tracking_report


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How many tables are tracked, and what was found."""

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


def examine(conn: psycopg.Connection) -> Diagnosis:
    """Look at everything, and change nothing."""
    return Diagnosis(len(list_tracked(conn)), tracking_report(conn))
