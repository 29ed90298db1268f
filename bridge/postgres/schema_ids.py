"""The ids that a schema registry gave, kept in the database for when it is away."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from bridge.postgres.explained import explained
from bridge.postgres.queries import query

Key = tuple[str, bytes]  # a subject, and a schema's fingerprint


@explained()
def read_schema_ids(conn: psycopg.Connection, registry: str) -> dict[Key, int]:
    """All that the registry with this URL gave. Raises DatabaseUnavailable."""
    rows = conn.execute(query("read_schema_ids"), {"registry": registry}).fetchall()
    return {(subject, bytes(fingerprint)): schema_id for subject, fingerprint, schema_id in rows}


@explained()
def keep_schema_ids(conn: psycopg.Connection, registry: str, ids: Mapping[Key, int]) -> None:
    """Write down what it gives now. Raises DatabaseUnavailable."""
    for (subject, fingerprint), schema_id in sorted(ids.items()):
        given = {"subject": subject, "fingerprint": fingerprint, "schema_id": schema_id}
        conn.execute(query("keep_schema_id"), given | {"registry": registry})
