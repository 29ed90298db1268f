"""What each role of a bridge needs: as SQL for the database's owner, and as commands for Kafka's administrator."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from bridge.postgres.connection import parsed
from bridge.postgres.migrate import require_current
from bridge.settings import Settings

# What each is for. Those of IN_DATABASE are bridge.role_rights()'s; a consumer has nothing there, and the migrator
# makes what the others' rights are on.
ROLES: Final = {
    "relay": "bridge run",
    "publisher": "an application that writes events: publish_event, insert into event_queue",
    "capture": "turns the tracking of tables on and off, which it owns: bridge track, untrack",
    "maintenance": "bridge maintain, where no relay keeps house",
    "reader": "looks: bridge status, top, trace, verify, tail, tracked, doctor, dead list",
    "operator": "decides: bridge dead retry and skip, replay, recover; and looks",
    "consumer": "reads the routed topics, as a group of its own name",
    "migrator": "bridge migrate; owns the schema, and so may all of the rest",
}
IN_DATABASE: Final = ("relay", "publisher", "capture", "maintenance", "reader", "operator")
INTERNAL: Final = ("bridge_capture", "bridge_reader")  # roles that nobody logs in as


@dataclass(frozen=True, slots=True)
class Grants:
    """What one role is to be given: `sql` without semicolons, `kafka` for a shell with Kafka's programs."""

    role: str
    to: str
    use: str
    sql: tuple[str, ...]
    kafka: tuple[str, ...]


def grants(conn: psycopg.Connection | None, settings: Settings, role: str, to: str) -> Grants:
    """`conn` is needed for those of IN_DATABASE. Raises what `require_current` does, psycopg.Error."""
    statements: tuple[str, ...] = ()
    if role in IN_DATABASE and conn is not None:
        require_current(conn)
        rows = conn.execute("select bridge.role_grants(%s, %s)", (role, to)).fetchall()
        statements = tuple(statement for (statement,) in rows)
    elif role == "migrator":
        statements = tuple(_migrator(str(parsed(settings.database.url).get("dbname", "postgres")), to))
    return Grants(role, to, ROLES[role], statements, tuple(_commands(settings, role, to)))


def _migrator(database: str, to: str) -> Iterator[str]:
    grantee = sql.Identifier(to)
    for internal in INTERNAL:
        yield f"do $$ begin if to_regrole('{internal}') is null then create role {internal} nologin; end if; end $$"
    yield sql.SQL("grant connect, create on database {} to {}").format(sql.Identifier(database), grantee).as_string()
    yield sql.SQL(f"grant {', '.join(INTERNAL)} to {{}}").format(grantee).as_string()


def _commands(settings: Settings, role: str, to: str) -> Iterator[str]:
    for resource, operations in _acls(settings, role, to):
        words = [
            *("kafka-acls.sh", "--bootstrap-server", settings.kafka.bootstrap_servers or "localhost:9092"),
            *("--add", "--allow-principal", f"User:{to}"),
            *(word for operation in operations for word in ("--operation", operation)),
            *resource,
        ]
        yield shlex.join(words)


def _acls(settings: Settings, role: str, to: str) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """For each resource, as kafka-acls names it, which operations. Write and Read imply Describe."""
    topics, create = settings.topics, ["Create"] if settings.topics.create_missing else []
    routed = list(dict.fromkeys(route.topic for route in settings.routes))
    published = [word for topic in (*routed, topics.dead_letters) for word in ("--topic", topic)]
    control, transactions = ["--topic", topics.control], ["--transactional-id", f"{settings.relay.name}-"]
    prefixed = [*transactions, "--resource-pattern-type", "prefixed"]
    if role == "relay":
        yield published, ["Write", "DescribeConfigs", *create]
        yield control, ["Read", "Write", "DescribeConfigs", *create, *(["Alter"] if create else [])]
        yield prefixed, ["Write"]
    elif role == "reader":
        yield published, ["Read", "DescribeConfigs"]
        yield control, ["Describe", "DescribeConfigs"]
        yield ["--cluster"], ["DescribeConfigs"]
    elif role == "operator":
        yield published, ["Read", "DescribeConfigs"]
        yield control, ["Read", "Write", "DescribeConfigs"]
        yield prefixed, ["Write"]
    elif role == "consumer":
        yield [word for topic in routed for word in ("--topic", topic)], ["Read"]
        yield ["--group", to], ["Read"]
