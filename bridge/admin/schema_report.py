"""What a check of schemas found, subject by subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.text import counted


class Outcome(StrEnum):
    """What a subject's schema is beside what was there before."""

    UNCHANGED = "unchanged"
    NEW = "new"
    COMPATIBLE = "compatible"
    REMOVED = "removed"
    ALTERED = "altered"
    INCOMPATIBLE = "incompatible"
    INVALID = "invalid"


WORDS: Final = {
    Outcome.UNCHANGED: "unchanged",
    Outcome.NEW: "new",
    Outcome.COMPATIBLE: "changed, compatible",
    Outcome.REMOVED: "removed",
    Outcome.ALTERED: "not as its table is",
    Outcome.INCOMPATIBLE: "not compatible",
    Outcome.INVALID: "not usable",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where (a field's path in the schema, and a file's line), by which rule, how to mend."""

    rule: str
    message: str
    mend: str | None
    path: str = "$"
    file: str | None = None
    line: int | None = None

    @property
    def place(self) -> str:
        """File and line, as compilers write it."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def lines(self, indent: str) -> list[str]:
        """For people: what is wrong where, and how to mend it."""
        place = f"{self.place}: " if self.place else ""
        mend = [f"{indent}  {self.mend}"] if self.mend else []
        return [f"{indent}{place}{self.path}: {self.rule}: {self.message}", *mend]


@dataclass(frozen=True)
class Verdict:
    """One subject; `level` is the compatibility level that it was judged at."""

    subject: str
    outcome: Outcome
    level: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Report:
    """`against` is what the schemas were compared with; `mistakes` are the configuration's."""

    against: str
    verdicts: tuple[Verdict, ...]
    mistakes: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 compatible, 1 not, or not as a table is, 4 a schema or the configuration cannot be used."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if outcomes & {Outcome.INCOMPATIBLE, Outcome.ALTERED}:
            return 1
        return 4 if Outcome.INVALID in outcomes or self.mistakes else 0

    @property
    def findings(self) -> Iterator[tuple[str, Finding]]:
        """All that is wrong, each with its subject; the configuration's without one."""
        for mistake in self.mistakes:
            yield "", mistake
        for verdict in self.verdicts:
            for finding in verdict.findings:
                yield verdict.subject, finding

    @property
    def summary(self) -> str:
        """One line."""
        counts = Counter(verdict.outcome for verdict in self.verdicts)
        parts = [f"{counts[outcome]} {WORDS[outcome]}" for outcome in reversed(Outcome) if counts[outcome]]
        wrong = f"; {counted(len(self.mistakes), 'mistake')} in the configuration" if self.mistakes else ""
        return f"{counted(len(self.verdicts), 'subject')} against {self.against}: {', '.join(parts) or 'none'}{wrong}"
