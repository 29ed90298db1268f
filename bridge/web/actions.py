"""What a person may decide on the page: dead events of one kind are retried or skipped, as by `bridge dead`."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from bridge.admin.dead import Decision, Wanted, decide, list_dead
from bridge.errors import BridgeError, ConfigError
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.settings import Settings
from bridge.telemetry.pages import Answer, Page, Request
from bridge.web.answers import document, trouble

TOKEN_CHARACTERS = 16  # at least: who guesses has all the time there is
MOST = 10_000  # events of a kind that are decided about at once; the same again goes on
FIELDS = ("decision", "why", "topic", "event_type", "reason")


def posts(settings: Settings, token: str) -> Mapping[str, Page]:
    """What answers POST to who knows the token. Raises ConfigError for a token that could be guessed."""
    if len(token) < TOKEN_CHARACTERS:
        raise ConfigError(
            f"--allow-actions needs a token of {TOKEN_CHARACTERS} characters or more",
            hint="Set BRIDGE_WEB_TOKEN, or --token-file, to what `openssl rand -hex 24` prints, for example",
        )
    expected = f"Bearer {token}".encode()

    def decide_page(request: Request) -> Answer:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, expected):
            return trouble(401, "that is not the token")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return trouble(415, "a JSON document is wanted")
        try:
            wanted, decision, why = _asked(request.body)
        except ValueError as error:
            return trouble(400, str(error))
        try:
            with explained(), connect(settings.database, application_name="bridge web") as conn:
                # By their ids, because a reason that another one begins with is not meant.
                ids = [event.event_id for event in list_dead(conn, wanted, MOST) if event.reason == wanted.died_of]
                return document({"decided": sum(decide(conn, Wanted(event_ids=ids), decision, why)) if ids else 0})
        except BridgeError as error:
            return trouble(503, str(error))

    return {"/api/decide": decide_page}


def _asked(body: bytes) -> tuple[Wanted, Decision, str]:
    """Which events, what, and why. Raises ValueError, in words that may be shown."""
    try:
        given: Any = json.loads(body)
    except ValueError:
        raise ValueError("that is no JSON document") from None
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in FIELDS):
        raise ValueError(f"an object is wanted with the texts {', '.join(FIELDS)}")
    if given["decision"] not in set(Decision):
        raise ValueError(f"a decision is one of {', '.join(Decision)}")
    if not given["why"].strip():
        raise ValueError("why must say something")
    if any("\ud800" <= char <= "\udfff" or char == "\0" for name in FIELDS for char in given[name]):
        raise ValueError("that is no text")
    kind = Wanted(event_types=(given["event_type"],), topics=(given["topic"],), died_of=given["reason"])
    return kind, Decision(given["decision"]), given["why"]
