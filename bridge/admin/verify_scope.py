"""What `bridge verify` compares: events of which types and which time, and the topics in which they are looked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bridge.encoding.routing import all_topics
from bridge.errors import ConfigError
from bridge.postgres.queries import query
from bridge.settings import OnDead, Route, Settings


@dataclass(frozen=True, slots=True)
class Scope:
    """Events of some routes, from `since_us` to `until_us`, in these topics.

    `topics` are read; `routes` are all, by which an event finds its own, and `chosen` the places, from 1, of those that
    count, `passing` of those for whose dead events no others wait; `former` are topics that no route names, in which
    their events may be, too. `is_whole`: all events, those without a route among them. `since` and
    `until` are times as Postgres writes them, and in microseconds since 1970; `about` is how many events there are, if
    that is known.
    """

    topics: Sequence[str]
    former: Sequence[str]
    routes: Sequence[Route]
    chosen: Sequence[int]
    passing: Sequence[int]
    is_whole: bool
    since: str
    until: str
    since_us: int
    until_us: int
    about: int | None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """For `verify_events.sql`."""
        rules = [route.rule for route in self.routes]
        routes = {"rules": rules, "routes": self.chosen, "passing": self.passing, "all": self.is_whole}
        return {"since": self.since, "until": self.until} | routes

    @property
    def span(self) -> Mapping[str, int]:
        """For SQLite."""
        return {"since": self.since_us, "until": self.until_us}


def scope_of(
    settings: Settings, conn: psycopg.Connection, topics: Collection[str], since: datetime | timedelta | None
) -> Scope:
    """All, or what people asked for. Raises ConfigError for the topic of the dead letters."""
    dead_letters = settings.topics.dead_letters
    if dead_letters in topics:
        raise ConfigError(
            f"{dead_letters} is the topic of the dead letters, which is compared with each topic",
            hint="Name the topics that those events were for",
        )
    routed = [topic for topic in all_topics(settings) if topic != dead_letters]
    former = sorted(set(topics) - set(routed))
    wanted = [topic for topic in routed if topic in topics] or routed
    chosen = [number for number, route in enumerate(settings.routes, 1) if route.topic in wanted]
    usual = settings.relay.on_dead
    passing = [n for n, route in enumerate(settings.routes, 1) if (route.on_dead or usual) is OnDead.SKIP]
    first, last, first_us, last_us, about = _span(conn, since)
    return Scope(
        topics=[*wanted, *former, dead_letters],
        former=former,
        routes=settings.routes,
        chosen=chosen,
        passing=passing,
        is_whole=wanted == routed,
        since=first,
        until=last,
        since_us=first_us,
        until_us=last_us,
        about=about,
    )


def _span(conn: psycopg.Connection, since: datetime | timedelta | None) -> tuple[Any, ...]:
    ago = since if isinstance(since, timedelta) else None
    row = conn.execute(query("verify_span"), {"since": None if ago else since, "ago": ago}).fetchone()
    assert row is not None  # noqa: S101 - it always gives one
    return row
