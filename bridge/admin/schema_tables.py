"""Generated schemas beside their tables: whether each file is what `bridge schema generate` would write now."""

from __future__ import annotations

import shlex

import psycopg

from bridge.admin.generate import generate
from bridge.admin.schema_report import Finding
from bridge.admin.schema_set import SchemaSet
from bridge.admin.typed_schema import Wishes
from bridge.encoding.avro.library import SUFFIX
from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.change import is_change
from bridge.encoding.row import ours
from bridge.errors import ConfigError
from bridge.postgres.queries import query

RULE, GONE = "table-altered", "table-untracked"


class SchemaTables:
    """The tracked tables of one database, as they are now."""

    def __init__(self, conn: psycopg.Connection) -> None:
        """Raises psycopg.Error."""
        self._conn = conn
        self._relations = {row[1]: row[0] for row in conn.execute(query("tracked_names")).fetchall()}

    def findings(self, schema: AvroSchema, schemas: SchemaSet) -> tuple[Finding, ...]:
        """What a table has that the schema of its changes has not, or the other way round; nothing for other schemas.

        Raises psycopg.Error.
        """
        if not is_change(schema.document) or schemas.settings.schemas is None:
            return ()
        shown = schemas.file(schema.subject)
        table = ours(schema.document).get("table")
        relation = self._relations.get(table) if isinstance(table, str) else None
        if relation is None:
            told = f"no tracked table is called {table}" if table else "the schema does not say of which table it is"
            return (Finding(GONE, told, "Track it, or remove file and route", file=shown, line=1),)
        mend = f"bridge schema generate {shlex.quote(relation)} --out {shlex.quote(shown)}"
        try:
            file = schemas.settings.schemas / f"{schema.subject}{SUFFIX}"
            found = generate(self._conn, relation, Wishes(), file).differences
        except ConfigError as error:
            return (Finding(RULE, error.message, error.hint, file=shown, line=1),)
        return tuple(Finding(RULE, f"{relation}: {difference}", mend, file=shown, line=1) for difference in found)
