"""deploy/compose.yaml: what Docker Compose makes of it, and whether all that it names is there. No engine is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import __version__

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
OURS = f"bridge:{__version__}"
ONCE = ("migrate", "grant")  # those that end
PINNED = re.compile(r"docker\.io/[a-z/-]+:v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")
# What `docker compose config` prints is made by this library, whose own command needs neither Docker nor its plugins.
LIBRARY = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"


def test_compose_understands_it(tmp_path: Path) -> None:
    """Under the rules of the format; nothing is left out, and nothing in it is unknown."""
    command = ["docker", "compose", "--file", "compose.yaml", "config", "--format", "json"]
    if subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode != 0:
        command = ["go", "run", LIBRARY, "--format", "json", "compose.yaml"]
    if shutil.which(command[0]) is None:
        pytest.skip("neither Docker Compose nor Go is installed here")
    done = subprocess.run(command, cwd=DEPLOY, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    composed = json.loads(done.stdout)
    assert composed["services"].keys() == SERVICES.keys()
    assert OURS in (DEPLOY / "README.md").read_text()
    assert composed["services"]["bridge"]["depends_on"]["grant"]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_nothing_but_its_work(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}  # nor fill the disk with what it says


@pytest.mark.parametrize("name", SERVICES)
def test_what_it_starts_from_is_pinned_and_there(name: str) -> None:
    service = SERVICES[name]
    assert service["image"] == OURS or PINNED.fullmatch(service["image"])
    for mount in service.get("volumes", []):
        source, _, place = mount.partition(":")
        assert (DEPLOY / source).exists() or not source.startswith("."), mount
        assert place.endswith(":ro") or not source.startswith("."), mount
    for text in map(str, service.get("environment", {}).values()):
        if text.startswith("/run/secrets/"):
            assert text.removeprefix("/run/secrets/") in service["secrets"]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_starts_before_what_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert ("healthcheck" in service) is (name not in ONCE)
    assert (service["restart"] == "no") is (name in ONCE)
    for other, wanted in service.get("depends_on", {}).items():
        condition = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert wanted == {"condition": condition}


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service["image"] == OURS])
def test_bridge_understands_its_environment(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://relay:secret@postgres/crm")
    given = SERVICES[name]["environment"].items()
    environment = {variable: str(secret) if variable.endswith("_FILE") else value for variable, value in given}
    source, place, _ = SERVICES[name]["volumes"][0].split(":")
    assert place == "/etc/bridge/bridge.toml"
    check = [sys.executable, "-m", "bridge", "config", "check", "--config", DEPLOY / source]
    checked = subprocess.run(check, env=os.environ | environment, check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_first_start_makes_passwords_that_only_its_user_reads(tmp_path: Path) -> None:
    """And the second leaves them alone. Docker is a script here, which notes what it is asked."""
    deploy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, deploy, ignore=shutil.ignore_patterns("secrets"))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    (programs / "docker").chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    made = []
    for _ in range(2):
        subprocess.run([deploy / "up"], env=environment, check=True)
        made.append({path.name: path.read_text() for path in (deploy / "secrets").iterdir()})
    assert made[0] == made[1]
    wanted = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["secrets"]
    assert {file["file"] for file in wanted.values()} == {f"./secrets/{name}" for name in made[0]}
    assert (deploy / "secrets").stat().st_mode & 0o777 == 0o700
    secrets = made[0]
    assert secrets["relay_url"] == f"postgresql://relay:{secrets['relay_password']}@postgres/crm"
    assert len({*secrets.values()}) == len(secrets)
    assert all(len(text) >= 32 and "\n" not in text for text in secrets.values())
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["compose --file compose.yaml up --build --detach --wait"] * 2


def test_prometheus_understands_what_it_is_given(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed here")
    shutil.copy(DEPLOY / "prometheus.yml", tmp_path)
    shutil.copy(DEPLOY.parent / "config" / "prometheus" / "alerts.yml", tmp_path)
    told = subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, check=False, text=True)
    assert told.returncode == 0
    targets = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"]
    assert targets == [{"targets": ["bridge:9108"]}]
