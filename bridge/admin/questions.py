"""What agents may ask of a bridge: questions that change nothing, whose answers are JSON, bounded, and without values.

Each asks in a session of its own that may not write, whatever role it has; one after the other, so that nobody can
take many connections. Payloads, headers and keys are in no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import wraps
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg

from bridge.admin.bounded import bounded
from bridge.admin.dead import Wanted, list_dead
from bridge.admin.dead_explain import explain as explain_dead
from bridge.admin.doctor import examine
from bridge.admin.read_only import read_only, with_read_only_sessions
from bridge.admin.route import explain, explain_kind, find_kind
from bridge.admin.schema_check import check_schemas
from bridge.admin.schema_formats import as_json
from bridge.admin.schema_former import former
from bridge.admin.status import read_status
from bridge.admin.tracer import Tracer
from bridge.admin.tracking import list_tracked
from bridge.configuration.load import Configuration
from bridge.errors import BridgeError, Unavailable
from bridge.settings import Settings
from bridge.telemetry.address import Address
from bridge.telemetry.asking import ask
from bridge.telemetry.pages import HEALTH
from bridge.text import place

MOST_DEAD: Final = 200
HEALTH_SECONDS: Final = 5.0
HIDDEN: Final = ("event_key", "key", "payload", "headers", "key_hash", "created_us")  # of events

Question = Callable[..., str]


class Questions:
    """Asks about one bridge; safe to share between threads. Each method is a question, and its docstring says which."""

    def __init__(self, configuration: Configuration, relay: Address) -> None:
        """`relay`: where one serves its health."""
        self._relay = relay
        self._configuration = with_read_only_sessions(configuration)
        self._lock = threading.Lock()

    def all(self) -> list[Question]:
        """Every question, which answers with JSON text, and raises BridgeError alone."""
        asked: list[Callable[..., Any]] = [
            self.status,
            self.health,
            self.dead_list,
            self.dead_show,
            self.trace,
            self.route,
            self.tracked,
            self.schema_check,
            self.doctor,
        ]
        return [self._bounded(question) for question in asked]

    def status(self) -> Any:
        """Shards, owners, leases, pending events and their ages, totals, what waits for what and why, keeper's jobs."""
        with self._session() as conn:
            return read_status(conn).as_json()

    def health(self) -> Any:
        """What one relay says of itself: a verdict, findings, each shard and topic; waiting for what, since when."""
        try:
            return orjson.loads(ask(self._relay, HEALTH, HEALTH_SECONDS).body)
        except (OSError, ValueError) as error:
            hint = "It listens where bridge run --http says, and bridge mcp --http"
            raise Unavailable(f"no relay tells its health at {self._relay}", hint=hint) from error

    def dead_list(
        self, event_type: str | None = None, topic: str | None = None, died_of: str | None = None, most: int = 50
    ) -> Any:
        """Events that can never be published as they are, and wait for a decision: ids, types, topics, reasons.

        event_type and topic choose those that have just these; died_of, those whose reason holds this text somewhere;
        most: at most so many, up to 200.
        """
        wanted = Wanted(
            event_types=[] if event_type is None else [event_type],
            topics=[] if topic is None else [topic],
            died_of=died_of,
        )
        with self._session() as conn:
            found = list_dead(conn, wanted, min(max(most, 1), MOST_DEAD))
        return {"events": [_without_values(asdict(event)) for event in found]}

    def dead_show(self, event_id: UUID) -> Any:
        """One dead event: the reason, the field, what waits behind it, and what would become of it if retried now."""
        settings = self._configuration.routed()
        with self._session() as conn:
            return _without_values(asdict(explain_dead(conn, settings, event_id)))

    def trace(self, event_id: UUID) -> Any:
        """Where one event is: written, read, parked or published to which offset, when, and why it waits."""
        with self._session() as conn:
            return _without_values(Tracer(conn, self._settings).event(event_id).as_json())

    def route(self, name: str) -> Any:
        """Where events of a type, changes of a tracked table, or one event (by its id) go: topic, schema, and why."""
        self._configuration.routed()
        try:
            id_ = UUID(name)
        except ValueError:
            return {"routes": [asdict(one) for one in explain(self._configuration, name)]}
        with self._session() as conn:
            kind, _, status = find_kind(conn, id_)
        return {"id": str(id_), "status": status, "routes": [asdict(explain_kind(self._configuration, kind))]}

    def tracked(self) -> Any:
        """Tables whose changes are recorded, and how: key, masked and excluded columns."""
        with self._session() as conn:
            return {"tables": [asdict(table) for table in list_tracked(conn)]}

    def schema_check(self) -> Any:
        """Whether the configuration's schemas fit what the registry has: what would break, where, by which rule."""
        self._configuration.routed()
        return as_json(check_schemas(self._configuration, former(None, self._settings), None))

    def doctor(self) -> Any:
        """What is wrong with Postgres, Kafka, registry, tracking, keeper or configuration, and a way to mend it."""
        return examine(self._configuration).as_json()

    @property
    def _settings(self) -> Settings:
        return self._configuration.settings

    def _session(self) -> AbstractContextManager[psycopg.Connection]:
        return read_only(self._settings, "bridge mcp")

    def _bounded(self, question: Callable[..., Any]) -> Question:
        @wraps(question)
        def ask(**named: Any) -> str:
            if not all(_is_text(value) for value in named.values() if isinstance(value, str)):
                raise BridgeError("an argument is no text that Postgres could be asked for")
            try:
                with self._lock:
                    return bounded(question(**named))
            except BridgeError:
                raise
            except Exception as error:  # its message may hold somebody's values
                raise BridgeError(f"unforeseen: {place(error)}", hint="Please report it") from None

        return ask


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def _without_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_values(one) for name, one in value.items() if name not in HIDDEN}
    return [_without_values(one) for one in value] if isinstance(value, list | tuple) else value
