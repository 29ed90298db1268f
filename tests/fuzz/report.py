"""What a fuzz run tells: what was tried how often, how late, how large, and what was found."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from auditor import Audit
from long_run import machine


@dataclass
class Report:
    """Filled in as the run goes on. Times in seconds, memory in MB."""

    seed: int
    minutes: float
    delivery: str
    directory: Path
    harms: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    decisions: dict[str, int] = field(default_factory=dict)
    canaries: int = 0
    worst_latency: float = 0.0
    memory: list[float] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    audit: Audit | None = None
    now: str = "nothing"  # what is being done

    def begin(self, harm: str, seconds: float) -> None:
        """Note what is about to happen, in a file, too: it is there even if the run is killed."""
        self.harms[harm] += 1
        self.now = harm
        self._append("harms.log", f"{harm} for {seconds:.1f} s")

    def landed(self, seconds: float) -> None:
        self.canaries += 1
        self.worst_latency = max(self.worst_latency, seconds)

    def note(self, finding: str) -> None:
        """Something that must not be."""
        self.findings[finding] += 1
        if self.findings[finding] == 1:
            self._append("findings.log", f"[{self.now}] {finding}")

    def note_all(self, findings: list[str]) -> None:
        for finding in findings:
            self.note(f"{finding}, during: {self.now}")

    def _append(self, name: str, line: str) -> None:
        with (self.directory / name).open("a") as log:
            log.write(f"{line}\n")

    def text(self) -> str:
        """Markdown."""
        audit: dict[str, Any] = asdict(self.audit) if self.audit else {}
        lines = [
            f"# {self.minutes:g} minutes of hostility, {self.delivery.replace('_', ' ')}, seed {self.seed}",
            "",
            machine(),
            "",
            "| | |",
            "|---|---|",
            f"| rows written | {sum(self.rows.values())} |",
            f"| rows that the database refused | {sum(self.refused.values())} |",
            *(f"| events that are {status} | {count} |" for status, count in self.decisions.items()),
            *(f"| {name} | {found if isinstance(found, int) else len(found)} |" for name, found in audit.items()),
            f"| canaries | {self.canaries} |",
            f"| longest wait of a canary | {self.worst_latency:.1f} s |",
            f"| most memory of a relay | {max(self.memory, default=0):.0f} MB |",
            f"| findings | {len(self.findings)} |",
            "",
            *(f"- {count} x {finding}" for finding, count in self.findings.items()),
            "",
            "| tried | times |",
            "|---|---|",
            *(f"| {name} | {count} |" for name, count in sorted((self.harms + self.rows).items())),
            *(f"| refused: {name} | {count} |" for name, count in sorted(self.refused.items())),
        ]
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """Write report.md and report.json into the run's directory."""
        (self.directory / "report.md").write_text(self.text())
        numbers = {name: value for name, value in vars(self).items() if name not in ("directory", "audit", "memory")}
        audit = asdict(self.audit) if self.audit else {}
        numbers["audit"] = {name: found if isinstance(found, int) else sorted(found) for name, found in audit.items()}
        numbers["most_memory"] = max(self.memory, default=0)
        (self.directory / "report.json").write_text(json.dumps(numbers, indent=1))
