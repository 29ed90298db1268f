"""The demo from the first event to the verdict; the servers run already."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import confluent_kafka
import psycopg

from bridge import __version__
from bridge.admin.tail import Shown, tail
from bridge.admin.verify import Verdict, verify
from bridge.configuration.load import load
from bridge.demo.progress import Meter, Progress
from bridge.demo.traffic import Traffic, trouble
from bridge.demo.view import View
from bridge.errors import ConfigError
from bridge.local.relay_process import RelayProcess
from bridge.local.stage import Stage
from bridge.postgres.connection import connect
from bridge.postgres.migrate import migrate
from bridge.resources import resource
from bridge.settings import Settings

TICK_SECONDS = 0.25  # between two readings, and two pictures
STALL_SECONDS = 60.0  # without any progress of the relay; a new broker may need 20 of them to begin
SHOWN = ("contact.created", "entity.linked", "opportunity.created", "entity.changed")  # show their topics' first record


@dataclass(frozen=True)
class Result:
    """What came of it; `progress` is the last one: its time lasts from the first event to the last one published."""

    progress: Progress
    transactions: int
    rolled_back: int
    verdict: Verdict
    records: list[Shown]
    versions: dict[str, str]


def run(stage: Stage, events: int, seed: int, view: View) -> Result:
    """Migrate, write about `events` events while a relay carries them, and verify.

    Raises BridgeError. However it ends, nothing of it runs on but the servers.
    """
    _require_routes(stage.settings)
    database = stage.settings.database
    applied = migrate(database)
    view.say(f"database: {len(applied)} files applied" if applied else "database: up to date")
    try:
        with connect(database, application_name="bridge demo") as conn:
            meter = Meter(conn)
            relay = RelayProcess(stage.environment, stage.config, stage.log)
            with relay, Traffic(database, events, seed) as traffic:
                progress = _carry(meter, relay, traffic, view)
            versions = _versions(conn) | stage.versions
    except psycopg.Error as error:
        raise trouble(error) from error
    view.say("comparing the database with the topics ...")
    verdict = verify(stage.settings)
    records = _first_records(stage.settings)
    return Result(progress, traffic.committed, traffic.rolled_back, verdict, records, versions)


def shipped_configuration() -> Path:
    """config/demo.toml: the routes of the reference application."""
    return Path(str(resource("config", "demo.toml")))


def _require_routes(settings: Settings) -> None:
    routed = {route.event_type for route in settings.routes}
    missing = sorted({route.event_type for route in load(shipped_configuration(), {}).routes} - routed)
    if missing:
        raise ConfigError(
            f"the configuration has no route for {', '.join(missing)}, which the demo writes",
            hint="Take the routes of the shipped config/demo.toml, or run the demo without --config",
        )


def _carry(meter: Meter, relay: RelayProcess, traffic: Traffic, view: View) -> Progress:
    """Let the relay warm up on what is there already; then write, and watch until all is published."""
    view.say(f"relay: process {relay.pid} takes the shards; its log is {relay.log}")
    first = _watch(meter, relay, traffic, lambda progress, is_last: None)
    view.say(f"relay: ready after {first.elapsed:.1f} s")
    meter.restart()
    traffic.start()
    with view:
        return _watch(meter, relay, traffic, view.show)


def _watch(meter: Meter, relay: RelayProcess, traffic: Traffic, see: Callable[[Progress, bool], None]) -> Progress:
    """Wait until the traffic has ended and nothing is pending; `see` every reading, and which is the last."""
    while True:
        is_writing = traffic.is_running  # asked first, so that its last events are in the reading
        progress = meter.read(relay.memory_bytes())
        is_over = not is_writing and not progress.pending
        see(progress, is_over)
        if traffic.failure is not None:
            raise traffic.failure
        if is_over:
            return progress
        relay.check()
        if progress.pending and progress.idle > STALL_SECONDS:
            raise relay.stalled(
                f"nothing was published for {STALL_SECONDS:.0f} s, and {progress.pending:,} events wait"
            )
        time.sleep(TICK_SECONDS)


def _first_records(settings: Settings) -> list[Shown]:
    """The first record of some topics."""
    topics = {route.event_type: route.topic for route in settings.routes}
    firsts = (tail(settings, [topics[event]], from_beginning=True, exit_on_end=True) for event in SHOWN)
    return [record for records in firsts for record in islice(records, 1)]


def _versions(conn: psycopg.Connection) -> dict[str, str]:
    return {
        "bridge": __version__,
        "python": platform.python_version(),
        "librdkafka": confluent_kafka.libversion()[0],
        "postgres": (conn.info.parameter_status("server_version") or "").split()[0],
    }
