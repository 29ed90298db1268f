"""The files of `sql/`, in the order in which `bridge migrate` applies them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bridge.resources import resource

LAYERS = ("engine", "domain")
FOLDERS = ("migrations", "functions", "triggers", "views")
RECORD = (
    "insert into bridge.schema_migration (layer, file, checksum) values ('{}', '{}', '{}')"
    " on conflict (layer, file) do update set checksum = excluded.checksum,"
    " applied_at = pg_catalog.clock_timestamp(), applied_by = session_user"
)


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
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def record(self) -> str:
        """The statement that records this file as applied."""
        return RECORD.format(self.layer, self.file, self.checksum)


def scripts(*, engine_only: bool = False) -> list[Script]:
    """Every file that ships with this program, in the order of application."""
    layers = LAYERS[:1] if engine_only else LAYERS
    return [script for layer in layers for folder in FOLDERS for script in _folder(layer, folder)]


def _folder(layer: str, folder: str) -> list[Script]:
    try:
        entries = resource("sql", layer, folder)
    except FileNotFoundError:
        return []
    files = sorted((entry for entry in entries.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    return [Script(layer, f"{folder}/{entry.name}", entry.read_text("utf-8")) for entry in files]
