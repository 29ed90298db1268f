"""Whether the schemas of a configuration would break readers or writers of what was there before."""

from __future__ import annotations

from dataclasses import replace

from bridge.admin.schema_former import Former, FormerRegistry
from bridge.admin.schema_report import Finding, Outcome, Report, Verdict
from bridge.admin.schema_set import SchemaSet, mistakes
from bridge.admin.schema_tables import SchemaTables
from bridge.configuration.load import Configuration
from bridge.encoding.avro.attributes import InvalidSchema
from bridge.encoding.avro.compatibility import LEVELS, check
from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.nodes import Schema
from bridge.encoding.avro.parsing import parse


def check_schemas(
    configuration: Configuration, former: Former, level: str | None, tables: SchemaTables | None = None
) -> Report:
    """Judge each subject at `level`, or else at its own in the registry, or else at registry.compatibility.

    With `tables`, those that were generated are compared with theirs, too. Raises RegistryUnavailable, psycopg.Error,
    and ConfigError where the registry refuses the login or files cannot be read.
    """
    schemas = SchemaSet(configuration)
    verdicts = [_verdict(subject, schemas, former, level) for subject in schemas.subjects]
    if tables is not None:
        verdicts = [_beside_table(verdict, schemas, tables) for verdict in verdicts]
    if not isinstance(former, FormerRegistry):  # a registry has others' subjects, too
        ours = configuration.settings.registry.compatibility
        gone = [subject for subject in former.subjects() if subject not in schemas.subjects]
        verdicts += [Verdict(subject, Outcome.REMOVED, level or ours) for subject in gone]
    return Report(former.place, tuple(verdicts), mistakes(configuration, schemas))


def _verdict(subject: str, schemas: SchemaSet, former: Former, level: str | None) -> Verdict:
    level = level or former.level(subject) or schemas.settings.registry.compatibility
    schema = schemas.schemas.get(subject)
    if schema is None:
        return Verdict(subject, Outcome.INVALID, level, (_wrong(subject, schemas, former),))
    versions = former.versions(subject, latest_only=not level.endswith("_TRANSITIVE"))
    if not versions:
        return Verdict(subject, Outcome.NEW, level)
    new, *past = [_parsed(schema.whole, f"{subject}.avsc"), *(_parsed(one.document, one.title) for one in versions)]
    if new is None or None in past:
        unread = f"{subject}.avsc" if new is None else versions[past.index(None)].title
        finding = Finding(
            "unreadable", f"{unread} is no Avro that can be compared", None, "$", schemas.file(subject), 1
        )
        return Verdict(subject, Outcome.INCOMPATIBLE, level, (finding,))
    latest = [one for one in past if one is not None]
    problems = check(new, latest, level) if _is_known(level) else ()
    if problems:
        found = dict.fromkeys(schemas.finding(problem, schema) for problem in problems)
        return Verdict(subject, Outcome.INCOMPATIBLE, level, tuple(found))
    is_same = meaning(new) == meaning(latest[-1])
    return Verdict(subject, Outcome.UNCHANGED if is_same else Outcome.COMPATIBLE, level)


def _beside_table(verdict: Verdict, schemas: SchemaSet, tables: SchemaTables) -> Verdict:
    schema = schemas.schemas.get(verdict.subject)
    found = () if schema is None else tables.findings(schema, schemas)
    if not found:
        return verdict
    outcome = verdict.outcome if verdict.outcome is Outcome.INCOMPATIBLE else Outcome.ALTERED
    return replace(verdict, outcome=outcome, findings=(*verdict.findings, *found))


def _wrong(subject: str, schemas: SchemaSet, former: Former) -> Finding:
    finding = schemas.wrong[subject]
    if finding.rule == "schema-missing" and former.versions(subject, latest_only=True):
        return Finding(
            "schema-removed",
            f"{subject}.avsc was in {former.place}, and is not any more; this route needs it",
            "Restore the file, or remove the route",
            file=finding.file,
            line=finding.line,
        )
    return finding


def _is_known(level: str) -> bool:
    return level == "NONE" or level.removesuffix("_TRANSITIVE") in LEVELS


def _parsed(document: object, title: str) -> Schema | None:
    try:
        return parse(document, title)
    except InvalidSchema:
        return None
