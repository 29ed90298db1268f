"""What a new version of a materialised view would take with it: looked for before anything is applied."""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg

from bridge.errors import MigrationError
from bridge.postgres.queries import query
from bridge.postgres.script import Script
from bridge.text import printable

CREATED = re.compile(r"^select bridge\.create_matview\('([^']+)', \$\$(.*?)\$\$\);$", re.MULTILINE | re.DOTALL)


def refuse_dependents(conn: psycopg.Connection, todo: Sequence[Script]) -> None:
    """Raise MigrationError where something depends on a materialised view that one of `todo` would create anew.

    Without the function that knows, there is no such view yet: it is applied before them.
    """
    created = [found for script in todo for found in CREATED.findall(script.sql)]
    there = conn.execute("select pg_catalog.to_regproc('bridge.matview_dependents') is not null").fetchone()
    if there != (True,):
        return
    for name, definition in created:
        row = conn.execute(query("matview_dependents"), {"name": name, "definition": definition}).fetchone()
        if row and row[0]:
            raise MigrationError(
                f"{name} has a new definition, and these depend on the present one: {printable(row[0])}",
                hint="Keep their definitions, drop them, migrate, and create them again. Nothing was changed",
            )
