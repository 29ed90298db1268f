"""What the role of `database.url` may: what a relay needs, and what it has beyond that."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, note, ok, problem
from bridge.postgres.queries import query


def check_rights(conn: psycopg.Connection) -> Iterator[Check]:
    """Missing ones are a problem where a relay uses this role; those beyond are noted. Raises psycopg.Error."""
    name, role = "postgres rights", conn.info.user
    found = conn.execute(query("doctor_rights")).fetchone()
    missing, excess = found or ([], [])
    if missing:
        listed = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        mend = f"As the owner of the schema: select bridge.grant_relay('{role}')"
        yield problem(name, f"{role} lacks what a relay needs: {listed}", mend)
    if excess:
        mend = "Give relays a role of their own: bridge.grant_relay (docs/operations.md, Roles and rights)"
        yield note(name, f"{role} {', '.join(excess)}: more than a relay needs", mend)
    if not missing and not excess:
        yield ok(name, f"{role} has what a relay needs, and no more that is known to harm")
