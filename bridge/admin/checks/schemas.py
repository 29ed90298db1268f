"""Generated schemas beside their tables: a column that a schema lacks makes each event with a value in it dead."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, note
from bridge.admin.schema_set import SchemaSet
from bridge.admin.schema_tables import GONE, SchemaTables
from bridge.configuration.load import Configuration


def check_schema_tables(conn: psycopg.Connection, configuration: Configuration) -> Iterator[Check]:
    """What `bridge schema check --tables` says of the files that routes name. Raises psycopg.Error, ConfigError."""
    if configuration.settings.schemas is None:
        return
    schemas = SchemaSet(configuration)
    tables = SchemaTables(conn)
    for subject in schemas.routes:
        if subject in schemas.schemas:
            for finding in tables.findings(schemas.schemas[subject], schemas):
                if finding.rule != GONE:  # that, check_capture says of the route
                    yield note(f"schema {subject}", f"not as its table is: {finding.message}", finding.mend)
