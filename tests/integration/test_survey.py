"""What a relay's role may read for its metrics, at what cost, and that it is right; on a real Postgres."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from bridge.settings import DatabaseSettings, Settings
from bridge.telemetry.facts import MOST
from bridge.telemetry.survey import Survey

Db = psycopg.Connection[Any]
WRITE = (
    "insert into bridge.event_queue (event_type, event_key, payload)"
    " select 'thing.changed', 'k' || g, '{}' from generate_series(1, %s) g"
)
READ_ALL = (
    "update bridge.shard set cursor = (select last_value from bridge.event_seq), snapshot = pg_current_snapshot()"
)
PARK = (
    "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks)"
    " select seq, 'event_queue', id, created_at, shard, 't', 0, %s, %s from bridge.outbox order by seq limit %s"
)


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


@pytest.fixture
def relay_url(db: Db, database: str) -> Iterator[str]:
    """The database, as a role that may only what a relay may."""
    role = sql.Identifier(f"relay_{secrets.token_hex(4)}")
    db.execute(sql.SQL("create role {} login password 'relay'").format(role))
    db.execute("select bridge.grant_relay(%s::text::regrole)", (role.as_string(db),))
    parts = urlsplit(database)
    place = parts.netloc.rpartition("@")[2]
    yield parts._replace(netloc=f"{role.as_string(db)[1:-1]}:relay@{place}").geturl()
    db.execute(sql.SQL("drop owned by {}").format(role))
    db.execute(sql.SQL("drop role {}").format(role))


def look(survey: Survey) -> dict[str, dict[tuple[str, ...], float]]:
    survey.look()
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in survey.collect()
    }


def survey_of(url: str, offsets: list[float] | None = None) -> Survey:
    return Survey(Settings(database=DatabaseSettings(url)), (offsets if offsets is not None else []).append)


def test_a_relays_role_may_read_all_of_it_and_it_is_right(db: Db, relay_url: str, database: str) -> None:
    offsets: list[float] = []
    survey = survey_of(relay_url, offsets)
    db.execute(WRITE, (500,))
    db.execute(
        "insert into bridge.entity_events (entity_type, entity_id, action, new_state) values ('t', '1', 'INSERT', '{}')"
    )
    db.execute(PARK, ("dead", True, 3))
    began = time.monotonic()
    found = look(survey)
    took = time.monotonic() - began
    assert found["bridge_survey_failures"] == {(): 0}
    assert sum(found["bridge_backlog_events"].values()) == 501
    assert (
        found["bridge_backlog_events"][("0",)]
        == db.execute("select count(*) from bridge.unread where shard = 0").fetchone()[0]
    )
    assert 0 < max(found["bridge_backlog_oldest_age_seconds"].values()) < 60
    assert found["bridge_parked_events"] == {
        ("dead",): 3, ("waiting",): 0, ("retried",): 0, ("deferred",): 0, ("replayed",): 0
    }  # fmt: skip
    assert found["bridge_dead_blocking_events"] == {(): 3}
    assert found["bridge_shard_leased"] == {("0",): 0, ("1",): 0}
    assert found["bridge_shard_stopped"] == {("0",): 0, ("1",): 0}
    assert found["bridge_partition_runway_seconds"][("bridge.outbox",)] > 86_400
    assert found["bridge_keeper_job_failures"][("partitions",)] == 0
    assert abs(offsets[-1]) < took  # one machine has one clock

    db.execute(READ_ALL)
    db.execute("update bridge.shard set stopped = 'a test' where shard = 1")
    with psycopg.connect(database) as late:  # begins now, ends behind the cursor
        found = look(survey)
        assert sum(found["bridge_backlog_events"].values()) == 0
        assert set(found["bridge_backlog_oldest_age_seconds"].values()) == {0}
        assert found["bridge_shard_stopped"] == {("0",): 0, ("1",): 1}
        late.execute("select pg_current_xact_id()")
        late.execute(WRITE, (7,))
        db.execute(READ_ALL)
    assert sum(look(survey)["bridge_backlog_events"].values()) == 7


def test_a_large_backlog_is_estimated_and_not_counted(db: Db, relay_url: str) -> None:
    db.execute("select bridge.set_shard_count(1)")
    db.execute(WRITE, (5 * MOST,))
    ((_, estimate),) = look(survey_of(relay_url))["bridge_backlog_events"].items()
    assert estimate == pytest.approx(5 * MOST, rel=0.1)


def test_who_holds_the_horizon_is_named_after_a_minute(db: Db, relay_url: str, database: str) -> None:
    """Our role may not see since when; so we count from when we saw it first."""
    survey = survey_of(relay_url)
    with psycopg.connect(database, application_name="forgotten") as holder:
        holder.execute("set transaction isolation level repeatable read")
        (pid,) = holder.execute("select pg_backend_pid()").fetchone()
        holder.execute("select pg_current_xact_id()")
        ((who, age),) = look(survey)["bridge_horizon_age_seconds"].items()
        assert (who, age) == (("", "", ""), pytest.approx(0, abs=30))
        survey._holder = survey._holder[0], survey._holder[1] - 90
        ((who, age),) = look(survey)["bridge_horizon_age_seconds"].items()
        assert who == ("session", str(pid), "forgotten")
        assert age >= 90


def test_what_cannot_be_read_is_said_once_counted_and_told_no_more(
    db: Db, relay_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = survey_of(relay_url)
    assert "bridge_backlog_events" in look(survey)
    (role,) = db.execute("select max(usename) from pg_user where usename like 'relay_%'").fetchone()
    db.execute(sql.SQL("revoke select on bridge.parked from {}").format(sql.Identifier(role)))
    with caplog.at_level(logging.INFO):
        look(survey)
        found = look(survey)
        assert found["bridge_survey_failures"] == {(): 2}
        assert "bridge_backlog_events" in found  # what was read a moment ago
        monkeypatch.setattr(time, "time", lambda at=time.time: at() + 90)
        assert "bridge_backlog_events" not in {family.name for family in survey.collect()}
        db.execute(sql.SQL("grant select on bridge.parked to {}").format(sql.Identifier(role)))
        assert "bridge_backlog_events" in look(survey)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("bridge.telemetry")]
    assert len(said) == 2
    assert "permission denied for table parked" in said[0]
    assert said[1] == "metrics of the database are read again"
