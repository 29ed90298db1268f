"""What one event carries stops no event of another key: each hostile one is published or dead, with its reason."""

from __future__ import annotations

import json
import secrets
import string
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest
from at_length import at_length
from fix_relay import Site, eventually
from fuzz.values import FIELDS, HOSTILE, TIMES, odd_schema
from reaction import (
    BOTH_DELIVERIES,
    SECONDS,
    assert_all_is_well,
    assert_calm,
    assert_decided,
    assert_flows,
    assert_small,
    publish,
    running,
    status_of,
)


@BOTH_DELIVERIES
def test_values_in_places_where_they_do_not_belong(site: Site) -> None:
    """The event of the report: an array whose elements stand where a time has its punctuation. And its siblings."""
    for name in FIELDS:
        site.route(f"odd.{name}", "odd", odd_schema(name))
    events = [
        (f"odd.{name}", f"{name}-{number}", json.dumps({name: value}))
        for name in FIELDS
        for number, value in enumerate(HOSTILE)
    ]
    with running(site) as relay:
        ids = {id_: kind.removeprefix("odd.") for id_, (kind, *_) in zip(publish(site, *events), events, strict=True)}
        assert_flows(site)
        assert_decided(site, ids)
        assert_calm(site, relay)
    with site.connect() as db:
        dead = db.execute(
            "select event_id::text, reason from bridge.parked where state = 'dead' and event_id = any(%s::uuid[])",
            (list(ids),),
        )
        reasons = dict(dead.fetchall())
    assert len(reasons) > len(ids) / 2
    named = {id_: f"$.{name}" for id_, name in ids.items()}
    unnamed = [reason for id_, reason in reasons.items() if named[id_] not in reason and "not JSON" not in reason]
    assert not unnamed
    audit = replace(site.audit(), changed=())  # a time is decoded as a time, and the payload has text
    assert audit.is_clean, audit


@BOTH_DELIVERIES
@pytest.mark.parametrize("event_type", ["thing.changed", *at_length("unknown.type")])
def test_long_keys_that_do_not_compress(site: Site, event_type: str) -> None:
    """Published as far as Kafka takes them; dead where no route or no record is possible, and then listed."""
    with running(site) as relay:
        for length in (2_700, 8_200, 100_000, 900_000):
            key = "".join(secrets.choice(string.ascii_letters) for _ in range(length))
            id_, behind = publish(site, (event_type, key, '{"n": 1}'), (event_type, key, '{"n": 2}'))
            assert_decided(site, [id_])
            assert_flows(site)
            fits = event_type == "thing.changed" and length < 500_000
            assert status_of(site, id_) == ("PROCESSED" if fits else "DEAD")
            if fits:
                assert_decided(site, [behind])
            else:  # behind a dead event of its key, however long that is
                assert id_ in site.bridge("dead", "list", "--json").stdout
                assert status_of(site, behind) == "PENDING"
        assert_calm(site, relay)
        assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
        eventually(lambda: site.pending() == 0)
    audit = site.audit()
    assert audit.is_clean, audit


SOURCES = {
    "outbox": "insert into bridge.outbox (shard, event_type, event_key, payload, created_at)"
    " select bridge.shard_of(k), 'thing.changed', k, '{\"n\": 1}', t from (values (%s, %s::timestamptz)) as v (k, t)",
    "history": "insert into bridge.entity_events (entity_type, entity_id, action, new_state, occurred_at)"
    " values ('thing', %s, 'INSERT', '{}', %s)",
}


@BOTH_DELIVERIES
@pytest.mark.parametrize("source", SOURCES)
def test_times_that_a_writer_chose(site: Site, source: str) -> None:
    """Whoever gets past the functions and writes a time of his own breaks no batch with it, if he is let."""
    with running(site) as relay:
        for time in TIMES:
            with site.connect() as db, suppress(psycopg.Error):
                db.execute(SOURCES[source], (f"at {time}", time))
            assert_flows(site)
            eventually(lambda: site.pending() == 0, SECONDS)
        assert_calm(site, relay)
        assert_all_is_well(site)


def test_due_when_nobody_lives_any_more(site: Site) -> None:
    statement = (
        "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
        " values ('thing.changed', 'due', '{\"n\": 1}', %s)"
    )
    with running(site) as relay:
        for due in TIMES:
            with site.connect() as db, suppress(psycopg.Error):
                db.execute(statement, (due,))
            assert_flows(site)
        assert_calm(site, relay)


@BOTH_DELIVERIES
@pytest.mark.parametrize("shape", ["rows", *at_length("headers", "keys", "payloads")])
def test_memory_is_bounded_by_bytes_of_all_kinds(site: Site, shape: str) -> None:
    """2 GB of headers, half a GB of keys, 600 MB in six payloads or changed rows: small on disk, all one letter."""
    big = {
        "headers": "insert into bridge.event_queue (event_type, event_key, payload, headers) select 'thing.changed',"
        " 'h' || g, '{\"n\": 1}', jsonb_build_object('h', repeat('x', 10000000)) from generate_series(1, 200) g",
        "keys": "insert into bridge.event_queue (event_type, event_key, payload) select 'thing.changed',"
        " g || repeat('k', 100000), '{\"n\": 1}' from generate_series(1, 5000) g",
        "payloads": "insert into bridge.event_queue (event_type, event_key, payload) select 'thing.changed', 'p' || g,"
        " jsonb_build_object('n', 1, 'text', repeat('x', 100000000)) from generate_series(1, 6) g",
        "rows": "insert into bridge.entity_events (entity_type, entity_id, action, new_state) select 'thing', g::text,"
        " 'INSERT', jsonb_build_object('text', repeat('x', 100000000)) from generate_series(1, 6) g",
    }[shape]
    with running(site) as relay:
        with site.connect() as db:
            db.execute(big)
        assert_flows(site, seconds=120)  # they come after it, and reading it is what takes time
        eventually(lambda: site.pending() == 0, 120)
        assert_small(relay)


TOO_LONG = "(select jsonb_build_object('n', 1, 'text', jsonb_agg('1e131071'::jsonb)) from generate_series(1, 9000))"


@pytest.mark.long
def test_a_payload_that_postgres_cannot_make_text_of(site: Site) -> None:
    """2.5 kB of jsonb that would be more than a gigabyte of text; dead with a reason, in the topic as a cut letter."""
    with running(site) as relay:
        with site.connect() as db:
            row = db.execute(f"select bridge.publish_event('thing.changed', 'long', {TOO_LONG})::text").fetchone()
        assert_flows(site)
        assert_decided(site, [row[0]], 4 * SECONDS)
        assert status_of(site, row[0]) == "DEAD"
        assert "cannot make text" in site.scalar("select reason from bridge.parked where state = 'dead'")
        assert_calm(site, relay)
        assert_small(relay)
    verified = site.bridge("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
