"""`bridge schema check` offline: each complaint about others' checks is a test by name."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from bridge.admin.schema_check import check_schemas
from bridge.admin.schema_formats import FORMATS, as_json
from bridge.admin.schema_former import former
from bridge.admin.schema_report import Outcome, Report
from bridge.admin.schema_revision import NoRevision
from bridge.cli.main import cli
from bridge.configuration.load import read
from bridge.errors import ConfigError

ROUTE = '[[routes]]\nevent_type = "{0}"\ntopic = "shop"\nsubject = "{0}"\n'
MONEY = {"type": "record", "name": "shop.Money", "fields": [{"name": "amount", "type": "long"}]}
PAID = """{
  "type": "record",
  "name": "shop.Paid",
  "fields": [
    {"name": "id", "type": "string"},
    {
      "name": "lines",
      "type": {"type": "array", "items": {
        "type": "record",
        "name": "Line",
        "fields": [
          {"name": "price", "type": "int"}
        ]
      }}
    }
  ]
}
"""


class Place:
    """A working tree of git with a configuration and schemas."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "bridge.toml"
        self.schemas = directory / "schemas"
        self.schemas.mkdir()
        self.config.write_text('schemas = "schemas"\n')
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "-C", str(self.directory), *identity, *arguments]
        subprocess.run(command, check=True, env=environment)

    def write(self, subject: str, schema: Any) -> None:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        (self.schemas / f"{subject}.avsc").write_text(text)

    def route(self, subject: str) -> None:
        self.config.write_text(self.config.read_text() + ROUTE.format(subject))

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    def check(self, against: str = "main", level: str | None = None) -> Report:
        configuration = read(self.config, {})
        return check_schemas(configuration, former(against, configuration.settings), level)

    def outcomes(self, against: str = "main", level: str | None = None) -> dict[str, Outcome]:
        return {verdict.subject: verdict.outcome for verdict in self.check(against, level).verdicts}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BRIDGE_CONFIG": str(self.config)}
        command = [sys.executable, "-m", "bridge", "schema", "check", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, cwd=self.directory, check=False
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write("paid", PAID)
    place.route("paid")
    place.commit()
    return place


def test_nothing_has_changed(place: Place) -> None:
    assert place.outcomes() == {"paid": Outcome.UNCHANGED}
    assert place.check().exit_code == 0


def test_before_the_first_commit_all_is_new(tmp_path: Path) -> None:
    """As with the hook for pre-commit, which compares with HEAD."""
    place = Place(tmp_path)
    place.write("paid", PAID)
    place.route("paid")
    assert place.outcomes("HEAD") == {"paid": Outcome.NEW}
    with pytest.raises(NoRevision):
        place.check("main")


def test_the_field_is_named_with_its_rule_its_line_and_a_way_to_mend(place: Place) -> None:
    place.write("paid", PAID.replace('"name": "price", "type": "int"', '"name": "price", "type": "string"'))
    report = place.check()
    (finding,) = report.verdicts[0].findings
    assert (finding.path, finding.rule, finding.line) == ("$.lines[].price", "type-mismatch", 12)
    assert finding.file is not None
    assert finding.file.endswith("schemas/paid.avsc")
    assert "paid.avsc" in finding.message
    assert "in the revision main" in finding.message
    assert finding.mend
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("change", "level", "is_compatible"),
    [
        (('"type": "int"', '"type": "long"'), "BACKWARD", True),
        (('"type": "int"', '"type": "long"'), "FORWARD", False),
        (('"type": "int"', '"type": "long"'), "FULL", False),
        (('"type": "int"', '"type": "long"'), "FULL_TRANSITIVE", False),
        (('"type": "int"', '"type": "bytes"'), "NONE", True),
        (('"name": "id", "type": "string"', '"name": "no", "type": "string"'), "BACKWARD", False),
        (('"name": "id", "type": "string"', '"name": "no", "type": "string", "default": ""'), "BACKWARD", True),
    ],
)
def test_all_levels(place: Place, change: tuple[str, str], level: str, is_compatible: bool) -> None:
    place.write("paid", PAID.replace(*change))
    assert place.outcomes(level=level)["paid"] is (Outcome.COMPATIBLE if is_compatible else Outcome.INCOMPATIBLE)


def test_the_configured_level_counts_without_one_on_the_command_line(place: Place) -> None:
    place.config.write_text(place.config.read_text() + '[registry]\ncompatibility = "FULL"\n')
    place.write("paid", PAID.replace('"type": "int"', '"type": "long"'))
    assert place.outcomes() == {"paid": Outcome.INCOMPATIBLE}
    assert place.outcomes(level="BACKWARD") == {"paid": Outcome.COMPATIBLE}


def test_meaning_is_compared_and_not_text(place: Place) -> None:
    document = json.loads(PAID)
    fields = [{"doc": "Which.", **field} for field in document["fields"]]
    place.write("paid", {"fields": fields, "name": "Paid", "namespace": "shop", "doc": "It is.", "type": "record"})
    assert place.outcomes() == {"paid": Outcome.UNCHANGED}


def test_a_new_subject_is_a_creation_and_no_error(place: Place) -> None:
    place.write("money", MONEY)
    assert place.outcomes() == {"money": Outcome.NEW, "paid": Outcome.UNCHANGED}
    assert place.check().exit_code == 0
    place.git("checkout", "--quiet", "--orphan", "empty")
    place.git("rm", "--quiet", "-r", "--cached", ".")
    place.git("commit", "--quiet", "--allow-empty", "--message", "x")
    assert place.outcomes("empty") == {"money": Outcome.NEW, "paid": Outcome.NEW}


def test_a_removed_subject_that_a_route_still_needs_is_said(place: Place) -> None:
    place.write("money", MONEY)
    place.commit()
    (place.schemas / "money.avsc").unlink()
    assert place.outcomes()["money"] is Outcome.REMOVED
    assert place.check().exit_code == 0
    (place.schemas / "paid.avsc").unlink()
    report = place.check()
    (finding,) = next(verdict.findings for verdict in report.verdicts if verdict.subject == "paid")
    assert (finding.rule, finding.line) == ("schema-removed", 5)
    assert "paid.avsc was in main, and is not any more" in finding.message
    assert str(finding.file).endswith("bridge.toml")
    assert report.exit_code == 4


def test_references_are_judged_where_they_are_used(place: Place) -> None:
    place.write("money", json.dumps(MONEY, indent=1))
    place.write("order", {"type": "record", "name": "shop.Order", "fields": [{"name": "total", "type": "Money"}]})
    place.commit()
    place.write("money", json.dumps(MONEY, indent=1).replace('"long"', '"string"'))
    report = place.check()
    found = {verdict.subject: verdict.findings for verdict in report.verdicts}
    assert [(one.path, one.line) for one in found["order"]] == [("$.total.amount", 5)]
    assert str(found["order"][0].file).endswith("money.avsc")
    assert [(one.path, one.line) for one in found["money"]] == [("$.amount", 5)]


def test_routes_and_broken_files_are_checked_too(place: Place) -> None:
    place.route("gone")
    place.write("broken", "{")
    place.write("unknown", {"type": "record", "name": "U", "fields": [{"name": "x", "type": "shop.Nothing"}]})
    report = place.check()
    rules = {verdict.subject: [one.rule for one in verdict.findings] for verdict in report.verdicts}
    assert rules == {
        "broken": ["schema-invalid"],
        "gone": ["schema-missing"],
        "paid": [],
        "unknown": ["schema-invalid"],
    }
    assert report.exit_code == 4
    place.config.write_text(place.config.read_text() + '[[routes]]\nevent_type = "x"\n')
    assert len(place.check().mistakes) == 1


def test_a_directory_is_what_is_compared_with(place: Place, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    (before / "paid.avsc").write_text(PAID.replace('"int"', '"string"'))
    assert place.outcomes(str(before)) == {"paid": Outcome.INCOMPATIBLE}


@pytest.mark.parametrize("revision", ["nonsense", "--output=x", "main:nothing", ""])
def test_a_revision_that_is_none(place: Place, revision: str) -> None:
    with pytest.raises(NoRevision):
        place.check(revision)


def test_the_command_reaches_no_server_and_says_only_the_result_on_standard_output(place: Place) -> None:
    place.config.write_text(place.config.read_text() + '[registry]\nurl = "http://127.0.0.1:1"\n')
    done = place.command("--against", "main")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 subject against main: 1 unchanged\n"
    place.write("paid", PAID.replace('"int"', '"string"'))
    done = place.command("--against", "main", "--format", "github")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("::error file=schemas/paid.avsc,line=12,title=paid $.lines[].price::type-mismatch: ")
    assert place.command("--against", "nonsense").returncode == 2
    assert place.command("--level", "SIDEWARD").returncode == 2


def test_a_registry_that_cannot_be_reached_has_an_exit_code_of_its_own(place: Place) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        place.config.write_text(place.config.read_text() + f'[registry]\nurl = "{url}"\n')
        done = place.command("--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (3, "registry-unavailable")
    assert url in done.stderr


@pytest.mark.parametrize("command", [["check"], ["check", "--against", "main"], ["plan"]])
@pytest.mark.parametrize(
    ("config", "registry", "reason"),
    [
        ("", "http://127.0.0.1:1", "there are no routes"),
        ("nothing.toml", "", "nothing.toml: the configuration file cannot be read"),
    ],
)
def test_what_leaves_nothing_to_check_is_said(command: list[str], config: str, registry: str, reason: str) -> None:
    """Else a workflow that forgets --config would be green, and check nothing."""
    with pytest.raises(ConfigError, match=reason):
        run_cli(command, config, registry)


def test_a_registry_that_is_no_url_is_not_called_missing(place: Place) -> None:
    with pytest.raises(ConfigError, match=r"BRIDGE_REGISTRY_URL: registry\.url must be http://"):
        run_cli(["plan"], str(place.config), "foo")


def run_cli(command: list[str], config: str, registry: str) -> None:
    environment = {"BRIDGE_CONFIG": config, "BRIDGE_REGISTRY_URL": registry}
    CliRunner().invoke(cli, ["schema", *command], env=environment, catch_exceptions=False)


Say = Callable[[str], str]


@pytest.fixture
def said(place: Place) -> Say:
    place.write("paid", PAID.replace('"int"', '"string"'))
    place.write("a,b:c%", {"type": "record", "name": "X", "fields": [{"name": "x", "type": "\x1b[31m"}]})
    place.write("money", MONEY)
    return lambda form: FORMATS[form](place.check())


def test_json_has_all_that_there_is_to_know(said: Say, place: Place) -> None:
    found = as_json(place.check())
    assert (found["ok"], found["against"]) == (False, "main")
    assert {one["subject"]: one["outcome"] for one in found["subjects"]} == {
        "a,b:c%": "invalid",
        "money": "new",
        "paid": "incompatible",
    }
    assert {"rule", "message", "mend", "path", "file", "line"} == set(found["subjects"][0]["findings"][0])


def test_githubs_annotations_are_escaped(said: Say) -> None:
    lines = said("github").split("\n")
    assert len(lines) == 2
    assert "a%2Cb%3Ac%25.avsc,line=1," in lines[0]
    assert all(line.isprintable() and line.startswith("::error file=") for line in lines)


def test_junit_is_valid_xml_with_a_test_a_subject(said: Say) -> None:
    root = ElementTree.fromstring(said("junit"))  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures")) == ("4", "2")
    assert [case.get("name") for case in root.iter("testcase")] == ["configuration", "a,b:c%", "money", "paid"]
    assert [failure.get("type") for failure in root.iter("failure")] == ["schema-invalid", "type-mismatch"]


def test_text_is_for_people(said: Say) -> None:
    text = said("text")
    assert text.split("\n")[-1] == "3 subjects against main: 1 not usable, 1 not compatible, 1 new"
    assert "paid: not compatible (BACKWARD)" in text
    assert "money: new (BACKWARD)" in text
