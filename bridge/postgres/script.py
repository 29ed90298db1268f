"""The files of `sql/`, in the order in which `bridge migrate` applies them.

A program's version, as far as the database is concerned, is the number of the newest migration of the engine that it
ships. A migration that older programs cannot work with names the oldest that can, in a line of its own:
`-- oldest program: 0006`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from bridge.postgres.queries import query
from bridge.resources import resource

LAYERS = ("engine", "domain")
FOLDERS = ("migrations", "functions", "triggers", "views")
RECORD = (
    "insert into bridge.schema_migration (layer, file, checksum, oldest_program) values ('{}', '{}', '{}', {})"
    " on conflict (layer, file) do update set checksum = excluded.checksum, oldest_program = excluded.oldest_program,"
    " applied_at = pg_catalog.clock_timestamp(), applied_by = session_user"
)
ANNOUNCEMENT = (
    "insert into bridge.schema_migration (layer, file, oldest_program) values ('{}', '{}', {})"
    " on conflict (layer, file) do nothing"
)
OLDEST_PROGRAM = re.compile(r"^-- oldest program: (\d{4})$", re.MULTILINE)


@dataclass(frozen=True)
class Script:
    """One file of `sql/<layer>/`; `file` is its path there, for example `migrations/0001_outbox.sql`."""

    layer: str
    file: str
    sql: str

    @property
    def name(self) -> str:
        return f"{self.layer}/{self.file}"

    @property
    def is_numbered(self) -> bool:
        return self.file.startswith("migrations/")

    @property
    def number(self) -> int:
        """Of a numbered file; its name may come from a database."""
        found = re.match(r"migrations/(\d+)_", self.file)
        return int(found[1]) if found else 0

    @property
    def oldest_program(self) -> int:
        """The oldest that can work with the database once this is applied; 0: any."""
        found = OLDEST_PROGRAM.search(self.sql) if self.layer == "engine" and self.is_numbered else None
        return int(found[1]) if found else 0

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def announcement(self) -> str:
        """The statement that keeps programs out which could not work with it."""
        return ANNOUNCEMENT.format(self.layer, self.file, self.oldest_program)

    @property
    def statements(self) -> list[str]:
        """What applies this file, in one transaction."""
        fence = [query("void_claims") % {"oldest": self.oldest_program}] if self.oldest_program else []
        return [self.sql, *fence, RECORD.format(self.layer, self.file, self.checksum, self.oldest_program)]


def scripts(*, engine_only: bool = False) -> list[Script]:
    """Every file that ships with this program, in the order of application."""
    layers = LAYERS[:1] if engine_only else LAYERS
    return [script for layer in layers for folder in FOLDERS for script in _folder(layer, folder)]


@cache
def program() -> int:
    """Which one this is: the number of the newest migration of the engine that it ships."""
    return max(script.number for script in _folder("engine", "migrations"))


def _folder(layer: str, folder: str) -> list[Script]:
    try:
        entries = resource("sql", layer, folder)
    except FileNotFoundError:
        return []
    files = sorted((entry for entry in entries.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    return [Script(layer, f"{folder}/{entry.name}", entry.read_text("utf-8")) for entry in files]
