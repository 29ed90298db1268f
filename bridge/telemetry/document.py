"""Health as JSON: one document, whether of one relay or of several under one parent. Its form is `VERSION`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson

from bridge.telemetry.health import Finding, RelayState, Verdict, findings, not_ready, verdict
from bridge.telemetry.pages import Answer

VERSION = 1


def of_relay(relay: RelayState, bound: float, lease_seconds: float) -> dict[str, Any]:
    """What is known of one relay, with verdict and reasons; ages and times that have passed in seconds."""
    found = findings(relay, bound)
    reasons = not_ready(relay, lease_seconds)
    known = asdict(relay)
    topics = [topic | {"held": any(wait.topic == topic["topic"] for wait in relay.waits)} for topic in known["topics"]]
    return {
        "relay": relay.relay,
        "verdict": verdict(found),
        "findings": _told(found),
        "live": not relay.hangs,
        "ready": not reasons,
        "not_ready": reasons,
        **known,
        "topics": topics,
    }


def of_all(relays: Sequence[dict[str, Any]], bound: float, more: Sequence[Finding] = ()) -> dict[str, Any]:
    """The document: the worst verdict, and all relays; `more`: what there is to say of workers that said nothing."""
    told = _told(more) + [finding for relay in relays for finding in relay["findings"]]
    worst = max(told, key=lambda finding: list(Verdict).index(Verdict(finding["verdict"])), default=None)
    return {
        "version": VERSION,
        "verdict": Verdict.OK if worst is None else worst["verdict"],
        "findings": sorted(_once(told), key=lambda finding: finding["verdict"] != Verdict.FAILING),
        "bound_seconds": bound,
        "relays": list(relays),
    }


def as_answer(document: Mapping[str, Any]) -> Answer:
    """With status 503 where the verdict is that it fails."""
    failing = document["verdict"] == Verdict.FAILING
    status = HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK
    return Answer(status, "application/json", orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def _told(found: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{"verdict": finding.verdict, "text": finding.text} for finding in found]


def _once(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Workers that share a database say much of the same."""
    return list({(finding["verdict"], finding["text"]): finding for finding in told}.values())
