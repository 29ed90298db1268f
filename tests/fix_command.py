"""Commands of `bridge` in the test's own process: what they print, and how they end."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from roles import Roles, kind_for

from bridge.cli.main import main


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def data_of(printed: str) -> Any:
    """What a command says under --json: the data of its one envelope."""
    (document,) = map(json.loads, printed.splitlines())
    assert document["version"] == 1
    return document["data"]


def lines_of(printed: str) -> list[Any]:
    """The same of a command that prints an envelope a line."""
    return [data_of(line) for line in printed.splitlines()]


@pytest.fixture
def run(database: str, roles: Roles, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command of `bridge`, in this process, as the role that it is for unless the test names another database."""
    monkeypatch.setenv("BRIDGE_DATABASE_URL", database)
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    monkeypatch.setattr("threading.excepthook", threading.excepthook)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr("sys.argv", ["bridge", *arguments])
        with monkeypatch.context() as patched:
            if os.environ.get("BRIDGE_DATABASE_URL") == database:
                patched.setenv("BRIDGE_DATABASE_URL", roles.url(database, kind_for(arguments)))
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return run
