"""What bridge is made of can be told and checked: bill of materials, licences, and the workflow that releases it."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import audit
import pytest
import sbom
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from locked import IMAGE, Pinned, pinned, required, runtime
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

CHECKOUT = Path(__file__).parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
DOCUMENT = sbom.document(pinned(), sbom.bundled())


def test_the_bill_of_materials_is_what_is_locked() -> None:
    assert sbom.SBOM.read_text() == DOCUMENT, "make it anew: python requirements/sbom.py"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(DOCUMENT) is None
    assert not any(name in DOCUMENT for name in ("timestamp", "serialNumber", "urn:uuid"))


def test_it_tells_what_is_needed_from_what_builds() -> None:
    pins = pinned()
    assert len(pins) == IMAGE.read_text().count("==")
    needed = {pin.name for pin in runtime(pins)}
    assert {"confluent-kafka", "psycopg-binary", "pycparser"} <= needed  # the last is asked for by one of one of one
    assert not {"hatchling", "editables", "pluggy"} & needed
    always = required(pins)
    assert {"confluent-kafka", "psycopg-binary", "pycparser", "fsspec"} <= always  # s3fs asks for the last, too
    assert {"s3fs", "botocore", "opentelemetry-sdk", "requests"} <= needed - always
    assert '"librdkafka"' in DOCUMENT


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0", "3.14.0"])
@pytest.mark.parametrize("file", ["image", "local", "dev"])
def test_what_is_locked_is_there_for_each_python(file: str, python: str) -> None:
    pins = re.findall(r"^(\S+==.+) \\$", IMAGE.with_name(f"{file}.txt").read_text(), re.M)
    version = {"python_version": python.rpartition(".")[0]}
    asked = [pin for pin in map(Requirement, pins) if pin.marker is None or pin.marker.evaluate(version)]
    assert len(asked) > 40
    for pin in asked:
        assert python in SpecifierSet(metadata(pin.name).get("Requires-Python", "")), pin


def test_packages_that_ask_for_each_other_are_told_apart() -> None:
    circle = [Pinned("a", "1", ("b",)), Pinned("b", "1", ("a",)), Pinned("c", "1", ("bridge-cdc", "b"))]
    assert [pin.name for pin in runtime(circle)] == ["c"]


def test_a_flaw_and_a_licence_are_seen() -> None:
    flaw = {"id": "CVE-2026-1", "fix_versions": ["1.1"]}
    report = {"dependencies": [{"name": "a", "version": "1.0", "vulns": [flaw]}, {"name": "b", "skip_reason": "x"}]}
    assert audit.vulnerable(report) == ["a 1.0: CVE-2026-1, mended in 1.1"]
    assert audit.unknown(report) == ["b"]
    ours = {"Name": "c", "Version": "1", "License": "MIT"}
    assert audit.forbidden([ours, {**ours, "License": "AGPL-3.0-only"}]) == ["c 1: AGPL-3.0-only"]


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_take_no_more_than_they_need(file: Path) -> None:
    text = file.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"], name
        assert job["timeout-minutes"] <= 90, name
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
            assert re.search(rf"{re.escape(step['uses'])} # v\d+\.\d+\.\d+$", text, re.M), step["uses"]
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "a name of a branch may be a command: give it by a variable"
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"GITHUB_TOKEN"}


def test_nothing_is_released_that_was_not_tested_and_attested() -> None:
    release = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "release.yml").read_text())
    jobs = release["jobs"]
    assert release[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML's `on`
    assert jobs["build"]["needs"] == "test"
    assert "bash .ci/run" in [step.get("run") for step in jobs["test"]["steps"]]
    for name in ("index", "image"):
        assert (jobs[name]["needs"], jobs[name]["environment"]) == ("build", "release")
    assert jobs["index"]["permissions"] == {"id-token": "write"}
    for name in ("build", "image"):
        used = {step.get("uses", "").partition("@")[0] for step in jobs[name]["steps"]}
        assert {"actions/attest-build-provenance", "actions/attest-sbom"} <= used
    assert release["env"]["SBOM"] == str(sbom.SBOM.relative_to(CHECKOUT))
    assert [name for name, job in jobs.items() if job["permissions"].get("contents") == "write"] == ["page"]


def test_actionlint_finds_nothing() -> None:
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("actionlint is not installed")
    done = subprocess.run([actionlint, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
