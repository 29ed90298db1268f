"""What `bridge schema apply` will do, subject by subject: asked of the registry, and nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.admin.schema_report import Finding
from bridge.admin.schema_set import SchemaSet, mistakes
from bridge.admin.schema_steps import Action, Plan, Step
from bridge.configuration.load import Configuration
from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import SchemaRefused
from bridge.registry.answers import ReferenceTo
from bridge.registry.api import RegistryApi
from bridge.registry.history import History, Past
from bridge.registry.verdict import HINT, found_problems, registry_verdict, same_meaning

ANSWERS: Final = {True: "compatible", False: "not compatible", None: "cannot tell"}


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
        return Plan(f"the registry at {self.api.place}", tuple(steps), mistakes(self._configuration, self.schemas))

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
        if not findings:
            findings = self._refusals(schema, former, level, answer)
        action = Action.REFUSE if findings else Action.VERSION
        found = tuple(dict.fromkeys(findings))
        return Step(subject, action, numbers[-1] + 1, level, set_level, drift, ANSWERS[answer], found)

    def _refusals(self, schema: AvroSchema, former: Sequence[Past], level: str, answer: bool | None) -> list[Finding]:
        """Why the registry would not take it. Where levels are to be set, it answers for one that is not to stay."""
        why = None
        if answer is False and not self._set_levels:
            why = f"the registry says that it is not compatible with what is registered (level {level})"
        elif answer is None and not schema.references and not any(one.uses_others for one in former):
            why = "the registry says that it is not valid Avro"
        return [] if why is None else [Finding("registry", why, HINT, file=self.schemas.file(schema.subject))]

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
