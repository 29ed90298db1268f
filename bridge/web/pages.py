"""Which address shows what; nothing here changes anything but `api/decide`, which is there only with a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

import psycopg

from bridge.admin.dead import Wanted, list_dead
from bridge.admin.event_wait import moment
from bridge.admin.trace import Trace
from bridge.admin.tracer import Tracer
from bridge.errors import BridgeError
from bridge.postgres.connection import connect, is_pooled
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.settings import Settings
from bridge.telemetry.pages import Answer, Page, Request
from bridge.telemetry.reading import BadRequest
from bridge.web.answers import document, shipped, trouble
from bridge.web.guard import Turns
from bridge.web.watcher import Watcher

SHOWN = 50  # dead events of a kind
SECONDS = 10  # for a statement


def pages(settings: Settings, watcher: Watcher) -> Mapping[str, Page]:
    """What answers GET."""
    turns = Turns()
    files = {name: shipped(name) for name in ("page.html", "page.css", "page.js")}
    return {
        "/": lambda _: files["page.html"],
        "/page.css": lambda _: files["page.css"],
        "/page.js": lambda _: files["page.js"],
        "/api/overview": watcher.page,
        "/api/dead": _telling(turns, lambda request: _dead(settings, request)),
        "/api/trace": _telling(turns, lambda request: _trace(settings, request)),
    }


def _telling(turns: Turns, page: Callable[[Request], Mapping[str, Any]]) -> Page:
    """A document, or why there is none."""

    def answer(request: Request) -> Answer:
        try:
            with turns.one():
                return document(page(request))
        except BadRequest as bad:
            return trouble(bad.status, bad.text)
        except BridgeError as error:
            return trouble(503, str(error))

    return answer


def _dead(settings: Settings, request: Request) -> dict[str, Any]:
    asked = request.query
    wanted = Wanted(event_types=_one(asked, "event_type"), topics=_one(asked, "topic"), died_of=asked.get("reason"))
    with _session(settings) as conn:
        found = list_dead(conn, wanted, SHOWN + 1)
    events = [{"event_id": str(event.event_id), "died_at": event.died_at} for event in found[:SHOWN]]
    return {"events": events, "more": len(found) > SHOWN}


def _one(asked: Mapping[str, str], name: str) -> tuple[str, ...]:
    return (asked[name],) if name in asked else ()


def _trace(settings: Settings, request: Request) -> dict[str, Any]:
    try:
        event_id = UUID(request.query.get("event_id", ""))
    except ValueError:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "that is no event id") from None
    with _session(settings) as conn:
        found = Tracer(conn, settings).event(event_id)
    return {"answer": found.answer, "facts": dict(_facts(found))}


@contextmanager
def _session(settings: Settings) -> Iterator[psycopg.Connection]:
    """For one question: it may not write, and no statement takes long; behind a pooler sessions are everybody's."""
    with explained(), connect(settings.database, application_name="bridge web") as conn:
        if not is_pooled(conn):
            conn.execute(query("read_only_session"), {"seconds": SECONDS})
        yield conn


def _facts(found: Trace) -> Iterator[tuple[str, str]]:
    """What is known of an event, without its key."""
    if found.mend is not None:
        yield "do", found.mend
    if found.row is not None:
        yield "event type", found.row.event_type
        yield "row", f"number {found.row.seq} of shard {found.row.shard}, {found.row.source}"
    if found.topic is not None:
        yield "topic", found.topic
    if found.look is not None:
        yield "record", str(found.look.place or found.look.why_not)
    if found.shard is not None:
        yield "shard", f"{found.shard.shard}, held by {found.shard.owner or 'nobody'}"
    for number, line in enumerate(found.gone.lines if found.gone is not None else (), 1):
        yield f"left {number}", line
    for number, (at, what) in enumerate(found.steps, 1):
        yield f"step {number}", f"{moment(at)}  {what}"
