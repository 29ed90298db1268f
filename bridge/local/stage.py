"""Where the demo plays: local servers of its own, or the servers that the settings name."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.configuration.load import load
from bridge.errors import ConfigError
from bridge.postgres.connection import connect
from bridge.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.local.stack import Stack

SERVERS = ("BRIDGE_DATABASE_", "BRIDGE_KAFKA_", "BRIDGE_REGISTRY_")  # what names others' servers, and logins there
# One broker cannot keep three copies, and a topic that is missing is no surprise here.
LOCAL_TOPICS = {"BRIDGE_TOPICS_CREATE_MISSING": "true", "BRIDGE_TOPICS_REPLICATION_FACTOR": "1"}


@dataclass(frozen=True)
class Stage:
    """`environment` is the relay's; `is_local` where the servers are of `bridge local`."""

    settings: Settings
    environment: dict[str, str]
    config: Path | None
    log: Path
    is_local: bool
    versions: dict[str, str]


def are_servers_given(settings: Settings) -> bool:
    """Whether the settings name all three servers. Raises ConfigError if they name one or two."""
    named = {
        "BRIDGE_DATABASE_URL": settings.database.url,
        "BRIDGE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "BRIDGE_REGISTRY_URL": settings.registry.url,
    }
    missing = [name for name, value in named.items() if not value]
    if missing and len(missing) < len(named):
        raise ConfigError(
            f"some servers are set, but not {' and '.join(missing)}",
            hint="Set all three for the demo to use your servers, none for local ones, or choose local ones with --dir",
        )
    return not missing


def given_stage(settings: Settings, config: Path | None, console: Console) -> Stage:
    """The servers that `settings` name; the relay's log is a temporary file.

    Raises DatabaseUnavailable, ConfigError.
    """
    with connect(settings.database, application_name="bridge demo") as conn:
        database = f"{conn.info.dbname} at {conn.info.host}:{conn.info.port}"
    console.print(f"The servers that are set: database {database}, Kafka at {settings.kafka.bootstrap_servers}")
    number, log = tempfile.mkstemp(prefix="bridge-demo-relay-", suffix=".log")
    os.close(number)
    return Stage(settings, dict(os.environ), config, Path(log), is_local=False, versions={})


def local_stage(stack: Stack, config: Path | None, console: Console) -> Stage:
    """The servers of `stack`, started where they do not run. Raises Unavailable, ConfigError."""
    from bridge.local.artifacts import locked_artifacts

    console.print(f"Local servers, with their data in {shorter(stack.directory)}:")
    endpoints = stack.up(console)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(SERVERS)} | LOCAL_TOPICS
    environment |= {f"BRIDGE_{name.upper()}": value for name, value in asdict(endpoints).items()}
    settings = load(config, environment)
    of = {artifact.coordinate.split(":")[1]: artifact.version for artifact in locked_artifacts()}
    versions = {"kafka": of["kafka_2.13"], "registry": of["apicurio-registry-app"]}
    log = shorter(stack.directory / "relay.log")
    return Stage(settings, environment, config, log, is_local=True, versions=versions)


def is_of(stack: Stack, settings: Settings) -> bool:
    """Whether the servers that `settings` name are those of `stack`, because its `env` was evaluated."""
    named = (settings.database.url, settings.kafka.bootstrap_servers, settings.registry.url)
    return stack.exists() and astuple(stack.endpoints) == named


def shorter(path: Path) -> Path:
    """Relative to the working directory for what lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
