"""What a long run tells: as text for people, as JSON for machines."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auditor import Audit
from chaos.faults import Fault
from fix_relay import LEASE_SECONDS, TRANSACTION_TIMEOUT_SECONDS
from long_run import counts, machine, megabytes

ALONE = LEASE_SECONDS + 5  # the promise when another relay lives
HEALED = TRANSACTION_TIMEOUT_SECONDS + 15  # the promise once everything is well again


@dataclass
class Report:
    """Filled in as the run goes on. Times in seconds, memory in bytes."""

    seed: int
    minutes: float
    directory: Path
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    transactions: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    longest_transaction: float = 0.0
    audit: Audit | None = None
    gaps: Sequence[str] = ("the run did not come to its end",)

    def begin(self, faults: Sequence[Fault], seconds: float) -> None:
        """Note what is about to happen, in a file, too: it is there even if the run is killed."""
        self.faults.update(_names(faults))
        with (self.directory / "faults.log").open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {' and '.join(_names(faults))} for {seconds:.1f} s\n")

    def recovered(self, faults: Sequence[Fault], seconds: float) -> None:
        alone = len(faults) == 1 and faults[0].leaves_a_relay
        name = " and ".join(_names(faults))
        self.recoveries.setdefault(name if len(faults) == 1 else "two at once", []).append(seconds)
        if seconds > (ALONE if alone else HEALED):
            self.late.append(f"{name}: {seconds:.1f} s")

    def audited(self, audit: Audit, gaps: Sequence[str]) -> None:
        self.audit, self.gaps = audit, gaps

    @property
    def is_clean(self) -> bool:
        return self.audit is not None and self.audit.is_clean and not self.gaps

    @property
    def is_in_time(self) -> bool:
        return not self.late

    def text(self) -> str:
        """Markdown."""
        audit = self.audit
        found = {name: len(getattr(audit, name)) for name in _KINDS} if audit else {}
        lines = [
            f"# {self.minutes:g} minutes of chaos, seed {self.seed}",
            "",
            f"{machine()}; 3 brokers, 2 relays, 4 writers on one machine.",
            "",
            "| | |",
            "|---|---|",
            f"| events published | {audit.published if audit else '?'} |",
            f"| transactions of the writers | {sum(self.transactions.values())}: {counts(self.transactions)} |",
            *(f"| {name} | {count} |" for name, count in found.items()),
            f"| gaps in the writers' own numbers | {len(self.gaps)} |",
            f"| faults | {sum(self.faults.values())} |",
            f"| longest recovery | {max(map(max, self.recoveries.values()), default=0):.1f} s |",
            f"| later than {ALONE:g} s beside a living relay, or {HEALED:g} s after healing | {len(self.late)} |",
            f"| longest transaction of a relay | {self.longest_transaction:.2f} s |",
            f"| memory of a relay, median and most | {megabytes(self.memory)} |",
            "",
            "| fault | times | recovery: median | longest |",
            "|---|---|---|---|",
            *(
                f"| {name} | {len(seconds)} | {statistics.median(seconds):.2f} s | {max(seconds):.2f} s |"
                for name, seconds in sorted(self.recoveries.items())
            ),
            *(["", *self.late] if self.late else []),
            *(["", *self.gaps[:20]] if self.gaps else []),
        ]
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """Write report.md and report.json into the run's directory."""
        (self.directory / "report.md").write_text(self.text())
        found = {name: sorted(getattr(self.audit, name)) for name in _KINDS} if self.audit else None
        numbers = {
            "seed": self.seed, "minutes": self.minutes, "published": self.audit and self.audit.published,
            "found": found, "gaps": list(self.gaps), "faults": self.faults, "recoveries": self.recoveries,
            "late": self.late, "transactions": self.transactions, "memory": self.memory,
            "longest_transaction": self.longest_transaction,
        }  # fmt: skip
        (self.directory / "report.json").write_text(json.dumps(numbers, indent=1))


_KINDS = [name for name in Audit.__dataclass_fields__ if name != "published"]


def _names(faults: Sequence[Fault]) -> list[str]:
    return [f"{fault.target}: {fault.name}" for fault in faults]
