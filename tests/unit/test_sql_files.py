"""The files of sql/: numbered without gaps, one object a file, with a header."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from fix_version import is_released, unpack

import bridge.postgres.queries
from bridge.errors import MigrationError
from bridge.postgres.migrate import render
from bridge.postgres.pending import pending
from bridge.postgres.script import LAYERS, Script, scripts

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
        ("engine", "triggers"),
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


def test_pending_leaves_alone_what_a_newer_program_has_applied() -> None:
    done = {(s.layer, s.file): s.checksum for s in ALL} | {("engine", "migrations/9999_future.sql"): "x"}
    done |= {(s.layer, s.file): "another" for s in FUNCTIONS}
    assert [s for s in pending(ALL, done) if s.layer == "engine"] == []
    assert [s for s in pending(ALL, done) if s.layer == "domain"] == [s for s in FUNCTIONS if s.layer == "domain"]


def test_pending_refuses_another_line_of_versions() -> None:
    """Two programs gave one number to different migrations, or one skipped what the other has."""
    done = {(s.layer, s.file): s.checksum for s in ALL}
    other = {("engine", "migrations/0003_other.sql"): "x"}
    with pytest.raises(MigrationError, match=r"different migrations.*engine/migrations/0003_other\.sql"):
        pending(ALL, done | other)
    last = [s for s in ALL if s.layer == "engine" and s.is_numbered][-1]
    lacking = {name: checksum for name, checksum in done.items() if name != (last.layer, last.file)}
    with pytest.raises(MigrationError, match=rf"different migrations.*{last.name}"):
        pending(ALL, lacking | {("engine", "migrations/9999_future.sql"): "x"})


def test_every_migration_after_the_first_release_says_who_can_work_with_it() -> None:
    """Forgotten, a relay of the version before would go on in a database that it does not know."""
    later = [s for s in ALL if s.layer == "engine" and s.number > 5]
    assert [s.name for s in later if not 0 < s.oldest_program <= s.number] == []


@pytest.mark.skipif(not is_released(), reason="until the first release, migrations are edited in place")
def test_what_was_released_stays_and_a_version_that_changes_anything_has_a_migration(tmp_path: Path) -> None:
    """Or a relay of the version before could not tell that the database is newer."""
    before = unpack(tmp_path) / "sql"
    for layer in LAYERS:
        theirs = {file.relative_to(before / layer): file.read_text() for file in (before / layer).rglob("*.sql")}
        ours = {Path(script.file): script.sql for script in ALL if script.layer == layer}
        numbered = {file: text for file, text in theirs.items() if file.parts[0] == "migrations"}
        assert numbered.items() <= ours.items()
        is_new = any(file.parts[0] == "migrations" and file not in numbered for file in ours)
        assert is_new or ours == theirs


def test_who_can_work_with_a_migration() -> None:
    file = "migrations/0042_rename.sql"
    assert Script("engine", file, "-- Renames.\n-- oldest program: 0041\nselect 1;\n").oldest_program == 41
    assert Script("engine", file, "select '-- oldest program: 0041';\n").oldest_program == 0
    assert Script("engine", "functions/x.sql", "-- oldest program: 0041\n").oldest_program == 0


def test_pending_forgets_a_function_that_is_shipped_no_longer() -> None:
    done = {(s.layer, s.file): s.checksum for s in ALL} | {("engine", "functions/former.sql"): "x"}
    assert pending(ALL, done) == []


def test_nothing_to_apply_is_said() -> None:
    assert render([]) == "-- Nothing to apply.\n"


def test_no_statement_reads_the_sequence_as_a_table() -> None:
    """Which shows a number that was not drawn yet, now and then: tests/integration/test_position.py."""
    queries = Path(bridge.postgres.queries.__file__).parent
    files = {script.file: script.sql for script in ALL}
    files |= {path.name: path.read_text() for path in queries.glob("*.sql")}
    reading = re.compile(r"(from|join|,)\s+bridge\.event_seq\b|(?<!pg_sequence_)last_value")
    assert [name for name, text in files.items() if reading.search(re.sub("--.*", "", text))] == []
