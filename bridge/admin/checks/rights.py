"""What the role of `database.url`, and those of relays, may: what their kind needs, and what they have beyond that."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row
from psycopg.sql import Identifier

from bridge.admin.checks.check import Check, note, ok, problem
from bridge.postgres.queries import query
from bridge.settings import Settings

SHOWN = 8
NAMES = {"operator": "an operator", "maintenance": "maintenance", "capture": "capture"}


@dataclass(frozen=True, slots=True)
class RoleRights:
    """One role. `kinds`: as `bridge grants` has them; it has all that these need, but for what a relay's lacks.

    `missing` is of a relay's rights, `excess` beyond those of its kinds; `hidden`: tables whose policies apply to it.
    """

    role: str
    is_relay: bool
    kinds: list[str]
    missing: list[str]
    excess: list[str]
    hidden: list[str]


def check_rights(conn: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """This role, and those that relays use. Raises psycopg.Error."""
    with conn.cursor(row_factory=class_row(RoleRights)) as cursor:
        session = f"{settings.relay.name} relay"
        for role in cursor.execute(query("doctor_rights"), {"session": session}).fetchall():
            yield from judge(role)


def judge(found: RoleRights) -> Iterator[Check]:
    """A role that is of no kind is taken for a relay's, whose configuration is looked at."""
    name, role = "postgres rights", found.role
    is_relay = found.is_relay or not found.kinds
    if is_relay and found.missing:
        mend = f"As the owner of the schema: what bridge grants --role relay --to {shlex.quote(role)} prints"
        yield problem(name, f"{role} lacks what a relay needs: {_listed(found.missing)}", mend)
    if found.hidden:
        text = f"row-level security applies to {role} in {_listed(found.hidden)}"
        if is_relay or "relay" in found.kinds:
            yield problem(
                name,
                f"{text}: a relay refuses to read what may be a part",
                f"alter role {Identifier(role).as_string()} bypassrls",
            )
        else:
            yield note(name, f"{text}: commands of bridge refuse to tell a part", "Ask as a role that sees all")
    kinds = " and ".join(_kinds(found))
    if found.excess:
        mend = "Give each its own role: bridge grants (docs/operations.md, Roles and rights)"
        yield note(name, f"{role} {_listed(found.excess)}: more than {kinds} needs", mend)
    if not (is_relay and found.missing) and not found.hidden and not found.excess:
        yield ok(name, f"{role} has what {kinds} needs, and no more that is known to harm")


def _kinds(found: RoleRights) -> list[str]:
    if found.is_relay or "relay" in found.kinds or not found.kinds:
        return ["a relay"]
    kinds = [kind for kind in found.kinds if kind != "reader" or "operator" not in found.kinds]  # who is one, too
    return [NAMES.get(kind, f"a {kind}") for kind in kinds]


def _listed(what: Sequence[str]) -> str:
    more = f" and {len(what) - SHOWN} more" if len(what) > SHOWN else ""
    return ", ".join(what[:SHOWN]) + more
