"""What differs between the schemas of a configuration and what was before, in meaning and in documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.admin.schema_former import Former, FormerRegistry, Version
from bridge.admin.schema_set import SchemaSet
from bridge.configuration.load import Configuration
from bridge.encoding.avro.attributes import InvalidSchema
from bridge.encoding.avro.changes import Difference
from bridge.encoding.avro.differences import differences
from bridge.encoding.avro.parsing import parse
from bridge.encoding.avro.schema import AvroSchema
from bridge.text import printable


@dataclass(frozen=True)
class SubjectDiff:
    """One subject that differs: only on one side (`state` says on which, or why it cannot be read), or in `changes`."""

    subject: str
    state: str
    changes: tuple[Difference, ...] = ()

    @property
    def lines(self) -> list[str]:
        """For people; `-` and `+` only one side has it, `~` both do, `#` documentation alone."""
        marks = [f"  {'~' if one.counts else '#'} {one.path}: {one.text}" for one in self.changes]
        return [printable(line) for line in [f"{self.subject}: {self.state}", *marks]]


def diff_schemas(configuration: Configuration, former: Former) -> Iterator[SubjectDiff]:
    """Each subject that differs from its latest version there. Raises RegistryUnavailable and ConfigError."""
    schemas = SchemaSet(configuration)
    for subject in schemas.subjects:
        if subject in schemas.wrong:
            yield SubjectDiff(subject, schemas.wrong[subject].message)
            continue
        latest = former.versions(subject, latest_only=True)
        if not latest:
            yield SubjectDiff(subject, f"only here, not in {former.place}")
        elif (found := _diff(schemas.schemas[subject], latest[-1])) is not None:
            yield found
    if not isinstance(former, FormerRegistry):  # a registry has others' subjects, too
        for subject in former.subjects():
            if subject not in schemas.subjects:
                yield SubjectDiff(subject, f"only in {former.place}")


def _diff(schema: AvroSchema, latest: Version) -> SubjectDiff | None:
    try:
        changes = differences(parse(latest.document, latest.title), parse(schema.whole, f"{schema.subject}.avsc"))
    except InvalidSchema as error:
        return SubjectDiff(schema.subject, f"cannot be compared: {error}")
    return SubjectDiff(schema.subject, f"differs from {latest.title}", changes) if changes else None
