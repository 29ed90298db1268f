"""The roles that the commands of the tests run as: each has exactly what `bridge.role_rights()` gives its kind."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

KINDS = ("relay", "publisher", "capture", "maintenance", "reader", "operator")
# What is not here is for the owner of the schema, and of tables that are tracked: migrate, track, snapshot, erase.
_OF_COMMAND = {
    "run": "relay",
    "maintain": "maintenance",
    **dict.fromkeys(("status", "top", "trace", "verify", "tail", "wait", "tracked", "doctor", "dead"), "reader"),
    "schema generate": "reader",
    **dict.fromkeys(("replay", "recover"), "operator"),
    **{f"dead {decision}": "operator" for decision in ("retry", "skip")},
}


@dataclass(frozen=True)
class Roles:
    """One role of each kind, on each server where they were made; copies of the templates have their rights."""

    prefix: str = field(default_factory=lambda: f"bridge_test_{secrets.token_hex(4)}")
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    servers: set[tuple[object, object]] = field(default_factory=set)  # host and port

    def name(self, kind: str) -> str:
        return f"{self.prefix}_{kind}"

    def create(self, url: str) -> None:
        """On this server, with the rights in this database."""
        with psycopg.connect(url, autocommit=True) as db:
            for kind in KINDS:
                create = sql.SQL("create role {} login password {}")
                db.execute(create.format(sql.Identifier(self.name(kind)), sql.Literal(self.password)))
        self.servers.add(_server(url))
        self.grant(url)

    def grant(self, url: str) -> None:
        """In a database on such a server that is no copy of a template, once it is migrated."""
        with psycopg.connect(url, autocommit=True) as db:
            for kind in KINDS:
                self.grant_also(db, kind, kind)

    def grant_also(self, db: psycopg.Connection, kind: str, to: str) -> None:
        """The rights of one kind, to the role of another."""
        for (statement,) in db.execute("select bridge.role_grants(%s, %s)", (kind, self.name(to))).fetchall():
            db.execute(statement)

    def drop(self, url: str) -> None:
        """Once no database has their rights any more; `url` is any other one of that server."""
        with psycopg.connect(url, autocommit=True) as db:
            for kind in KINDS:
                db.execute(sql.SQL("drop role {}").format(sql.Identifier(self.name(kind))))
        self.servers.remove(_server(url))

    def url(self, url: str, kind: str | None) -> str:
        """The same database, as a role of that kind; as before for None, and on a server without these roles."""
        if kind is None or _server(url) not in self.servers:
            return url
        return make_conninfo(url, user=self.name(kind), password=self.password)


def kind_for(arguments: Sequence[str]) -> str | None:
    """As which kind of role a command of `bridge` is to run; None for the owner of the schema."""
    if "--capture" in arguments:  # reads the tables themselves
        return None
    return _OF_COMMAND.get(" ".join(arguments[:2]), _OF_COMMAND.get(arguments[0]))


def _server(url: str) -> tuple[object, object]:
    parts = conninfo_to_dict(url)
    return parts.get("host"), parts.get("port")
