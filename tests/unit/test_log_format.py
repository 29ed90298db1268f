"""The log as JSON: one schema, no forged line, nobody's values; and each event's name stands in the documents."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import bridge
from bridge.cli.log_format import JsonFormatter
from bridge.log_fields import FIELDS, LIBRARY, about, current_shard

PACKAGE = Path(bridge.__file__).parent
EVIL = '\x1b[2J\n{"event": "forged"}\u202e\ud800'
LOGGERS = {"logger", "logging"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
OPERATIONS = (PACKAGE.parent / "docs" / "operations.md").read_text("utf-8")


def line(text: str, *arguments: object, level: int = logging.WARNING, **more: object) -> dict[str, object]:
    record = logging.getLogger("bridge.test").makeRecord(
        "bridge.test", level, "file", 1, text, arguments, more.pop("exc_info", None), extra=more or None
    )
    told = JsonFormatter().format(record)
    assert all(" " <= char <= "~" for char in told)
    found = json.loads(told)
    assert isinstance(found, dict)
    return found


def test_a_message_has_what_it_is_about() -> None:
    found = line("topic %s", EVIL, **about("topic-held", topic=EVIL, shard=0, event_id="1", batch=7))
    shown = r'\x1b[2J\x0a{"event": "forged"}\u202e\ud800'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(found.pop("time")))
    assert found.pop("pid")
    assert found == {
        "level": "WARNING",
        "event": "topic-held",
        "message": f"topic {shown}",
        "logger": "bridge.test",
        "shard": 0,
        "topic": shown,
        "event_id": "1",
        "batch": 7,
    }


def test_what_a_library_says_has_the_same_fields_and_the_shard_in_whose_thread_it_is_said() -> None:
    found: list[dict[str, object]] = []

    def carry() -> None:
        current_shard.set(3)
        found.append(line("a library's words"))

    thread = threading.Thread(target=carry)
    thread.start()
    thread.join()
    found.append(line("elsewhere"))
    assert [(one["event"], one.get("shard")) for one in found] == [(LIBRARY, 3), (LIBRARY, None)]


def test_an_exception_is_told_without_its_message() -> None:
    try:
        raise ValueError("canary")
    except ValueError:
        found = line("it failed", exc_info=sys.exc_info(), **about("unforeseen"))
    assert "canary" not in json.dumps(found)
    assert str(found["exception"]).startswith("ValueError in test_an_exception_is_told_without_its_message")
    assert str(found["traceback"]).endswith("test_an_exception_is_told_without_its_message']")


def test_the_error_with_which_a_command_ends_is_a_line_of_the_log() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    command = [sys.executable, "-m", "bridge", "run"]
    asked = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    ended = subprocess.run(command, env=environment, **asked)
    assert (ended.returncode, ended.stderr[:8], ended.stdout) == (4, "bridge: ", "")
    ended = subprocess.run(command, env={**environment, "BRIDGE_LOG_FORMAT": "json"}, **asked)
    found = json.loads(ended.stderr)
    assert (ended.returncode, found["event"], found["level"], ended.stdout) == (4, "command-failed", "CRITICAL", "")


def calls() -> list[tuple[str, ast.Call]]:
    """Every call of bridge that logs, with its place."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            of = node.func.value
            if node.func.attr in LEVELS and isinstance(of, ast.Name) and of.id in LOGGERS:
                found.append((f"{path.relative_to(PACKAGE)}:{node.lineno}", node))
    return found


def test_every_message_says_what_it_is_about() -> None:
    assert len(calls()) > 40
    assert [where for where, call in calls() if "extra" not in {keyword.arg for keyword in call.keywords}] == []


def test_every_event_stands_in_the_documents_and_nothing_else_does() -> None:
    named = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "about":
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"
                named.add(node.args[0].value)
    table = OPERATIONS.partition("| Event | Level | What |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    documented = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(documented) == len(set(documented))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in named)
    assert set(documented) == named


def test_every_field_stands_in_the_documents() -> None:
    table = OPERATIONS.partition("## Logs\n")[2].partition("| Field | What |")[2].partition("\n\n")[0]
    documented = {name for row in table.splitlines()[2:] for name in re.findall("`([a-z_]+)`", row.split("|")[1])}
    assert documented == {"time", "level", "message", "logger", "relay", "pid", "traceback", *FIELDS}
