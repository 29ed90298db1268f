"""Answers of the page: documents and files, all with the headers that keep a browser from doing anything else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from bridge.telemetry.pages import Answer
from bridge.text import json_text, printable

JSON = "application/json"
# Nothing but our own three files; no frame, no form that leaves, no base that bends addresses.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


def document(content: Mapping[str, Any], status: int = 200) -> Answer:
    """A JSON document."""
    return Answer(status, JSON, json_text(content).encode(), HEADERS)


def trouble(status: int, text: str) -> Answer:
    """Why there is no document."""
    return document({"error": printable(text)}, status)


def shipped(name: str) -> Answer:
    """A file of this package."""
    body = files(__package__).joinpath(name).read_bytes()
    return Answer(200, TYPES[name.rpartition(".")[2]], body, HEADERS)
