"""What `bridge schema apply` will do, subject by subject: asked of the registry, and nothing changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bridge.admin.schema_report import JSON_VERSION, Finding
from bridge.admin.schema_set import SchemaSet, mistakes
from bridge.configuration.load import Configuration
from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import SchemaRefused
from bridge.registry.api import ReferenceTo, RegistryApi
from bridge.registry.history import History
from bridge.registry.verdict import HINT, found_problems, registry_verdict, same_meaning
from bridge.text import printable

ANSWERS: Final = {True: "compatible", False: "not compatible", None: "cannot tell"}


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
            place = f"{finding.place}: " if finding.place else ""
            lines.append(f"  {place}{finding.path}: {finding.rule}: {finding.message}")
            lines += [f"    {finding.mend}"] if finding.mend else []
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
        of = f"{len(self.steps)} subjects, {self.place}: {end}"
        return [*wrong, *(line for step in self.steps for line in step.lines), printable(of)]

    def as_json(self) -> dict[str, Any]:
        """For programs; it grows only by keys."""
        return {
            "version": JSON_VERSION,
            "command": "schema plan",
            "registry": self.place,
            "ok": self.exit_code == 0,
            "steps": [{**vars(step), "findings": [vars(finding) for finding in step.findings]} for step in self.steps],
            "mistakes": [vars(mistake) for mistake in self.mistakes],
        }


class Planner:
    """Asks the registry. Raises RegistryUnavailable, and ConfigError where that refuses the login or is none."""

    def __init__(self, configuration: Configuration, *, set_levels: bool) -> None:
        """With `set_levels`, subjects whose level is another get registry.compatibility."""
        self.schemas = SchemaSet(configuration)
        self.api = RegistryApi(configuration.settings.registry)
        self.numbers: dict[str, int] = {}  # of the versions that are registered
        self._configuration = configuration
        self._ours = str(configuration.settings.registry.compatibility)
        self._set_levels = set_levels
        self._history = History(self.api)

    def plan(self) -> Plan:
        """All steps; those of files that are wrong last."""
        steps = [self._step(schema) for schema in self.schemas.in_order()]
        for subject, finding in self.schemas.wrong.items():
            steps.append(Step(subject, Action.REFUSE, 0, self._ours, None, None, "", (finding,)))
        return Plan(f"the registry at {self.api.place}", tuple(steps), mistakes(self._configuration))

    def references(self, schema: AvroSchema) -> tuple[ReferenceTo, ...] | None:
        """To the versions of the schemas that it uses; None where one is yet to be registered."""
        if any(used.subject not in self.numbers for _, used in schema.references):
            return None
        return tuple(ReferenceTo(name, used.subject, self.numbers[used.subject]) for name, used in schema.references)

    def _step(self, schema: AvroSchema) -> Step:
        subject = schema.subject
        numbers = self.api.versions(subject)
        level, set_level, drift = self._level(subject, is_new=not numbers)
        there = self._there(schema) if numbers else None
        if there is not None:
            self.numbers[subject] = there
            return Step(subject, Action.NONE, there, level, set_level, drift, "")
        if not numbers:
            return Step(subject, Action.CREATE, 1, level, set_level, drift, "")
        with_all = level.endswith("_TRANSITIVE")
        former = self._history.versions(subject, latest_only=not with_all)
        findings = [self.schemas.finding(problem, schema) for problem in found_problems(schema, former, level)]
        answer = registry_verdict(self.api, schema, self.references(schema), with_all=with_all)
        if answer is False and not findings and set_level is None:  # it answers at the level that there is now
            why = f"the registry says that it is not compatible with what is registered (level {level})"
            findings = [Finding("registry", why, HINT, file=self.schemas.file(subject))]
        action = Action.REFUSE if findings else Action.VERSION
        found = tuple(dict.fromkeys(findings))
        return Step(subject, action, numbers[-1] + 1, level, set_level, drift, ANSWERS[answer], found)

    def _there(self, schema: AvroSchema) -> int | None:
        """The version that is this schema, if there is one: by its text, or, of the latest, by its meaning."""
        references = self.references(schema)
        for normalize in (False, True) if references is not None else ():
            found = self.api.look_up(schema.subject, schema.text, references or (), normalize=normalize)
            if found is not None and found.number is not None:
                return found.number
        latest = self._history.versions(schema.subject, latest_only=True)
        return latest[-1].number if latest and same_meaning(schema, latest[-1].document) else None

    def _level(self, subject: str, *, is_new: bool) -> tuple[str, str | None, str | None]:
        """What will be in force, what will be set, and what is another than ours and stays."""
        try:
            found = self.api.level(subject)
        except SchemaRefused:  # not ours to see, so not to set
            return self._ours, None, None
        if found == self._ours:
            return found, None, None
        if found is None or self._set_levels or (found == "NONE" and is_new):
            return self._ours, self._ours, None
        return found, None, found
