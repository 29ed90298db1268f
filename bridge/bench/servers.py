"""The servers that a benchmark uses: those that are set, or local ones; with what Debezium needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import confluent_kafka

from bridge.configuration.load import load
from bridge.errors import ConfigError
from bridge.local.artifacts import PEER, locked_artifacts
from bridge.local.cache import fetch
from bridge.local.stage import are_servers_given, local_stage
from bridge.postgres.connection import connect
from bridge.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from bridge.local.stack import Stack


@dataclass(frozen=True)
class Servers:
    """`versions` by name, for the report; `stack` are the local servers, if they are."""

    settings: Settings
    versions: dict[str, str]
    stack: Stack | None

    def allow_decoding(self) -> None:
        """Let Postgres decode its log, which Debezium needs, and which makes updates write more of it.

        Raises ConfigError when others' servers do not do so already.
        """
        if _show(self.settings, "wal_level") == "logical":
            return
        if self.stack is None:
            raise ConfigError("Debezium needs wal_level = logical", hint="Set it and restart Postgres")
        with connect(self.settings.database) as db:
            db.execute("alter system set wal_level = logical")
        self.stack.postgres.stop()
        self.stack.postgres.start()


def prepare(stack: Stack, config: Path | None, console: Console, *, always_local: bool, peer: bool) -> Servers:
    """Start the servers of `stack`, unless others are set; with `peer`, fetch Debezium.

    Raises ConfigError, Unavailable.
    """
    settings, versions = load(config), {}
    is_local = always_local or not are_servers_given(settings)
    if is_local:
        stage = local_stage(stack, config, console)
        settings, versions = stage.settings, {name.capitalize(): number for name, number in stage.versions.items()}
    if peer:
        fetch(console, PEER)
        of = {artifact.coordinate.split(":")[1]: artifact.version for artifact in locked_artifacts(PEER)}
        versions |= {"Debezium": of["debezium-connector-postgres"], "Connect": of["connect-runtime"]}
    versions = {
        "Postgres": _show(settings, "server_version"),
        **versions,
        "librdkafka": confluent_kafka.libversion()[0],
    }
    servers = Servers(settings, versions, stack if is_local else None)
    if peer and not is_local:
        servers.allow_decoding()
    return servers


def _show(settings: Settings, name: str) -> str:
    with connect(settings.database) as db:
        row = db.execute("select current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""
