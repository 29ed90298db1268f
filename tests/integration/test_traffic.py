"""The demo's traffic: it is what it counts, and the same again from the same seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg
import pytest
from fix_relay import eventually

from bridge.configuration.load import load
from bridge.demo.fiction import REGIONS
from bridge.demo.run import shipped_configuration
from bridge.demo.traffic import Traffic
from bridge.errors import DatabaseUnavailable

EVENTS = "select (select count(*) from bridge.event_queue) + (select count(*) from bridge.entity_events)"
CREATED = (
    "select payload - 'id' - 'created_at' - 'updated_at' from bridge.event_queue where event_type = 'contact.created'"
)


@pytest.fixture
def db(database: str) -> Any:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


def write(database: str, events: int, seed: int = 7) -> Traffic:
    with Traffic(database, events, seed) as traffic:
        traffic.start()
        eventually(lambda: not traffic.is_running, 120)
    assert traffic.failure is None
    return traffic


def test_it_counts_what_it_writes(database: str, db: psycopg.Connection[Any]) -> None:
    territories = 3 * len(REGIONS)
    traffic = write(database, 2400)
    assert db.execute(EVENTS).fetchone() == (traffic.events + territories,)
    assert 2400 <= traffic.events < 2600
    assert traffic.rolled_back > 0


def test_it_writes_every_event_type_that_has_a_route(database: str, db: psycopg.Connection[Any]) -> None:
    write(database, 6000)
    written = {row[0] for row in db.execute("select distinct event_type from bridge.event_queue")}
    assert written | {"entity.changed"} == {route.event_type for route in load(shipped_configuration(), {}).routes}
    assert {row[0] for row in db.execute("select distinct actor_status from bridge.entity_events")} == {"ok", "missing"}


def test_the_same_seed_gives_the_same_data(database: str, db: psycopg.Connection[Any]) -> None:
    def created() -> Counter[str]:
        return Counter(str(row[0]) for row in db.execute(CREATED))

    write(database, 400)
    first = created()
    write(database, 400)
    assert created() == first + first
    write(database, 400, seed=8)
    assert created() != first + first + first


def test_what_is_written_cannot_reach_anybody(database: str, db: psycopg.Connection[Any]) -> None:
    write(database, 400)
    emails = [row[0] for row in db.execute("select email from crm.contacts")]
    assert emails
    assert all(email.isascii() and email.endswith(("@example.com", "@example.org")) for email in emails)
    assert all(" 555 01" in row[0] for row in db.execute("select phone from crm.contacts"))


def test_a_stop_is_obeyed_and_a_lost_connection_is_told(database: str, db: psycopg.Connection[Any]) -> None:
    with Traffic(database, 1_000_000, 7) as traffic:
        traffic.start()
    assert not traffic.is_running
    assert traffic.failure is None

    with Traffic(database, 1_000_000, 7) as traffic:
        traffic.start()
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name = 'bridge demo'"
        )
        eventually(lambda: not traffic.is_running)
    assert isinstance(traffic.failure, DatabaseUnavailable)
    assert "\n" not in str(traffic.failure)
