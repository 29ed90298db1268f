"""What is to be done in the registry, subject by subject, and what keeps it from that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bridge.admin.schema_report import Finding
from bridge.text import counted, printable


class Action(StrEnum):
    """What becomes of a subject."""

    NONE = "none"
    CREATE = "create"
    VERSION = "version"
    REFUSE = "refuse"


WORDS: Final = {
    Action.NONE: "is there already",
    Action.CREATE: "new subject",
    Action.VERSION: "new version",
    Action.REFUSE: "refused",
}


@dataclass(frozen=True)
class Step:
    """One subject. `version` is the one that it has, or will have; `level` what is in force there, once it is done.

    `set_level` will be set. `drift` is the subject's own level where that is another than the configured one and stays.
    `registry` is what the registry's own check answered.
    """

    subject: str
    action: Action
    version: int
    level: str
    set_level: str | None
    drift: str | None
    registry: str
    findings: tuple[Finding, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to be done."""
        return self.action in (Action.CREATE, Action.VERSION) or self.set_level is not None

    @property
    def lines(self) -> list[str]:
        """For people; none where nothing is to be said."""
        lines = []
        if self.action is not Action.NONE or self.changes or self.drift:
            which = f" {self.version}" if self.action is Action.VERSION else ""
            checked = f", the registry's own check: {self.registry}" if self.registry else ""
            lines.append(f"{self.subject}: {WORDS[self.action]}{which} ({self.level}{checked})")
        if self.set_level is not None and self.action is not Action.REFUSE:
            lines.append(f"  its level becomes {self.set_level}")
        if self.drift is not None:
            lines.append(f"  its level is {self.drift}, and registry.compatibility another: --set-levels changes it")
        for finding in self.findings:
            lines += finding.lines("  ")
        return [printable(line) for line in lines]


@dataclass(frozen=True)
class Plan:
    """Steps in their order: a schema that others use comes before them."""

    place: str
    steps: tuple[Step, ...]
    mistakes: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 it can be applied, 1 something is not compatible, 4 a file or the configuration is wrong."""
        findings = [finding for step in self.steps for finding in step.findings]
        if any(not finding.rule.startswith("schema-") for finding in findings):
            return 1
        return 4 if findings or self.mistakes else 0

    @property
    def lines(self) -> list[str]:
        """For people."""
        wrong = [printable(f"{one.place}: {one.message}") for one in self.mistakes]
        todo = sum(step.changes for step in self.steps)
        refused = sum(step.action is Action.REFUSE for step in self.steps)
        if refused or self.mistakes:
            end = "nothing will be changed, because something is refused"
        else:
            end = f"{todo} to change" if todo else "nothing to change"
        of = f"{counted(len(self.steps), 'subject')}, {self.place}: {end}"
        return [*wrong, *(line for step in self.steps for line in step.lines), printable(of)]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "registry": self.place,
            "ok": self.exit_code == 0,
            "steps": [{**vars(step), "findings": [vars(finding) for finding in step.findings]} for step in self.steps],
            "mistakes": [vars(mistake) for mistake in self.mistakes],
        }
