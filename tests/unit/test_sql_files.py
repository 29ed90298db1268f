"""The files of sql/: numbered without gaps, one object a file, with a header."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from bridge.errors import MigrationError
from bridge.postgres.migrate import pending, render
from bridge.postgres.script import Script, scripts

ALL = scripts()
FUNCTIONS = [script for script in ALL if script.file.startswith("functions/")]


@pytest.mark.parametrize("layer", ["engine", "domain"])
def test_migrations_are_numbered_without_gaps(layer: str) -> None:
    names = [s.file.removeprefix("migrations/") for s in ALL if s.layer == layer and s.is_numbered]
    first = 0 if layer == "engine" else 1
    assert [int(name[:4]) for name in names] == list(range(first, first + len(names)))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", name) for name in names)


def test_layers_and_folders_come_in_order() -> None:
    places = [(script.layer, script.file.split("/")[0]) for script in ALL]
    assert list(dict.fromkeys(places)) == [
        ("engine", "migrations"),
        ("engine", "functions"),
        ("engine", "views"),
        ("domain", "migrations"),
        ("domain", "functions"),
        ("domain", "triggers"),
        ("domain", "views"),
    ]
    assert max(Counter((s.layer, s.file) for s in ALL).values()) == 1


@pytest.mark.parametrize("script", FUNCTIONS, ids=lambda s: s.name)
def test_a_function_file_holds_one_function_with_its_header(script: Script) -> None:
    schema = {"engine": "bridge", "domain": "crm"}[script.layer]
    name = re.sub(r"^functions/(\d+_)?|\.sql$", "", script.file)  # a number where others need it first
    created = re.findall(r"^create or replace function (\w+)\.(\w+)\(", script.sql, re.MULTILINE)
    assert created == [(schema, name)]
    header = script.sql[: script.sql.index("create or replace")]
    assert header.startswith(f"-- {name}: ")
    assert "Returns:" in header or "trigger function" in header
    assert re.search(r"Writes(:|, errors:)", header)
    assert re.search(r"[Ee]rrors:", header)


@pytest.mark.parametrize("script", ALL, ids=lambda s: s.name)
def test_files_are_plain(script: Script) -> None:
    assert script.sql.isascii()
    assert max(len(line) for line in script.sql.splitlines()) <= 120
    assert script.sql.endswith("\n")
    assert not re.search(r"^\s*(begin|commit)\s*;", script.sql, re.MULTILINE)


def test_pending_names_a_changed_migration() -> None:
    script = next(s for s in ALL if s.is_numbered)
    with pytest.raises(MigrationError, match=r"engine/migrations/0000_schema_migration\.sql was changed"):
        pending(ALL, {(script.layer, script.file): "another"})


def test_pending_repeats_a_changed_function() -> None:
    done = {(s.layer, s.file): s.checksum for s in ALL}
    script = FUNCTIONS[0]
    assert pending(ALL, done) == []
    assert pending(ALL, {**done, (script.layer, script.file): "another"}) == [script]


def test_pending_refuses_a_newer_database() -> None:
    done = {(s.layer, s.file): s.checksum for s in ALL} | {("engine", "migrations/9999_future.sql"): "x"}
    with pytest.raises(MigrationError, match=r"engine/migrations/9999_future\.sql.*newer version"):
        pending(ALL, done)


def test_pending_forgets_a_function_that_is_shipped_no_longer() -> None:
    done = {(s.layer, s.file): s.checksum for s in ALL} | {("engine", "functions/former.sql"): "x"}
    assert pending(ALL, done) == []


def test_nothing_to_apply_is_said() -> None:
    assert render([]) == "-- Nothing to apply.\n"
