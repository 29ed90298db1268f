"""The log of a command that runs for long, on standard error: lines of text for people, or of JSON for programs.

Whichever it is, no text from outside can forge a line.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import click

from bridge.cli.terminal import echo
from bridge.errors import BridgeError
from bridge.log_fields import FIELDS, LIBRARY, about, current_shard
from bridge.secret import hidden
from bridge.text import place, printable

logger = logging.getLogger(__name__)

TEXT, JSON = "text", "json"
LINE = "%(asctime)s %(levelname)-7s %(message)s"

log_format_option = click.option(
    "--log-format",
    type=click.Choice([TEXT, JSON]),
    default=TEXT,
    show_default=True,
    envvar="BRIDGE_LOG_FORMAT",
    help="How the log is written: lines of text, or JSON objects, one a line.",
)


class PrintableFormatter(logging.Formatter):
    """Each message is one line, but for the lines of a traceback."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The message with its time and level."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """A traceback, without the passwords that we know."""
        return "\n".join(map(printable, hidden(super().formatException(ei)).split("\n")))


class JsonFormatter(logging.Formatter):
    """Each message is one JSON object on one line of ASCII; docs/operations.md, Logs, says what is in it.

    `relay` is the id of this process' relay or keeper, once it has one.
    """

    relay: str | None = None

    def format(self, record: logging.LogRecord) -> str:
        """The line; what there is nothing to say of is left out."""
        fields = {name: getattr(record, name, None) for name in FIELDS}
        if fields["shard"] is None:
            fields["shard"] = current_shard.get()
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "event": fields.pop("event") or LIBRARY,
            "message": record.getMessage(),
            "logger": record.name,
            "relay": self.relay,
            "pid": os.getpid(),
            **fields,
            **_raised(record),
        }
        told = {name: printable(value) if isinstance(value, str) else value for name, value in line.items()}
        return json.dumps({name: value for name, value in told.items() if value is not None})


def _raised(record: logging.LogRecord) -> dict[str, object]:
    """An exception and where it comes from, without its message, which may hold somebody's values."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": place(error),
        "traceback": [printable(f"{frame.filename}:{frame.lineno} {frame.name}") for frame in frames],
    }


def log_to_stderr(level: int, log_format: str) -> None:
    """Let the log go to standard error."""
    formatter = JsonFormatter() if log_format == JSON else PrintableFormatter(LINE)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(log_format == JSON)


def log_as(relay_id: str) -> None:
    """Name the relay, or keeper, whose log this is from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.relay = relay_id


def tell_error(error: BridgeError) -> None:
    """Print the error with which a command ends; where the log is JSON, as one more line of it."""
    if any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        logger.critical("%s", error, extra=about("command-failed"))
    else:
        echo(f"bridge: {error}", err=True)
