"""`verify` against a real database and real topics, with faults that are put there on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import raw_headers
from confluent_kafka import Producer
from fix_command import data_of
from fix_relay import eventually
from fix_verify import World

from bridge.admin import verify as verify_module
from bridge.admin.verify import Verdict, verify
from bridge.admin.verify_topics import Found, read_topics
from bridge.cli.verify import describe
from bridge.errors import ConfigError, DatabaseUnavailable, MigrationError
from bridge.settings import DatabaseSettings, KafkaSettings, OnDead, Route


def test_nothing_at_all_passes(world: World) -> None:
    verdict = verify(world.settings)
    assert verdict.passed
    assert (verdict.events, verdict.records) == (0, 0)


def test_topics_that_do_not_exist_yet_are_empty(world: World) -> None:
    routes = (Route("thing.made", f"{world.name}.never", "x"),)
    assert verify(replace(world.settings, routes=routes)).passed


def test_all_published_in_order_passes(world: World) -> None:
    first, second, third = world.events("PROCESSED", ["k", "l", "k"])
    world.publish("k", first, third)
    world.publish("l", second)
    world.events("PENDING", ["k"])
    verdict = verify(world.settings)
    assert verdict.passed
    assert (verdict.events, verdict.published, verdict.pending, verdict.dead) == (4, 3, 1, 0)


def test_both_sources_count(world: World) -> None:
    (event_id,) = world.db.execute(
        "insert into bridge.entity_events (entity_type, entity_id, action, new_state)"
        " values ('thing', '1', 'INSERT', '{}') returning id::text"
    ).fetchone()
    world.settle()
    assert verify(world.settings).lost == 1
    world.publish("thing:1", event_id, source="entity_events")
    assert verify(world.settings).passed


def test_published_but_not_settled_yet_is_no_difference(world: World) -> None:
    (event_id,) = world.events("PENDING", ["k"])
    world.publish("k", event_id)
    verdict = verify(world.settings)
    assert verdict.passed
    assert (verdict.published, verdict.pending) == (1, 0)


def test_lost(world: World) -> None:
    ids = world.events("PROCESSED", ["k"] * 8)
    world.publish("k", ids[0])
    verdict = verify(world.settings)
    assert not verdict.passed
    assert verdict.lost == 7
    assert len(verdict.examples["lost"]) == 5
    assert set(verdict.examples["lost"]) <= set(ids[1:])


def test_a_dead_event_belongs_among_the_dead_letters(world: World) -> None:
    dead, misplaced = world.events("DEAD", ["k", "l"])
    world.publish("k", dead, topic=world.settings.topics.dead_letters)
    world.publish("l", misplaced)
    verdict = verify(world.settings)
    assert (verdict.lost, verdict.dead) == (1, 2)
    assert verdict.examples["lost"] == (misplaced,)


def test_dead_events_are_counted_by_what_was_decided_and_dead_letters_as_records(world: World) -> None:
    dead, given_up, missing = world.events("DEAD", ["k", "l", "m"])
    (retried,) = world.events("PROCESSED", ["n"])
    for gone in (given_up, missing):
        world.db.execute("select bridge.skip_dead(%s, 'a test')", (gone,))
    world.publish("k", dead, given_up, retried, topic=world.settings.topics.dead_letters)
    world.publish("n", retried)
    verdict = verify(world.settings)
    assert (verdict.dead, verdict.given_up, verdict.dead_letters, verdict.records) == (1, 2, 3, 4)
    assert verdict.examples == {"lost": (missing,)}
    shown = describe(verdict)
    assert shown[3] == "  dead                    1   nobody has decided about them: bridge dead list"
    assert shown[4] == "  given up                2   by bridge dead skip"
    assert shown[5].startswith("  dead letters            3   of the records are in the topic of the dead letters")


def test_a_processed_event_among_the_dead_letters_only_is_lost(world: World) -> None:
    ids = world.events("PROCESSED", ["k"])
    world.publish("k", *ids, topic=world.settings.topics.dead_letters)
    assert verify(world.settings).lost == 1


def test_published_after_having_been_dead_is_not_duplicated(world: World) -> None:
    ids = world.events("PROCESSED", ["k"])
    world.publish("k", *ids, topic=world.settings.topics.dead_letters)
    world.publish("k", *ids)
    assert verify(world.settings).passed


def test_dead_letters_have_the_order_of_the_deaths(world: World) -> None:
    """A retried event dies again behind a later one of its key; one whose topic was held dies when that is healed."""
    first, held, last = world.events("DEAD", ["k", "k", "k"])
    world.db.execute("update bridge.parked set deaths = 2 where event_id = %s", (first,))
    world.publish("k", first, last, held, first, topic=world.settings.topics.dead_letters)
    verdict = verify(world.settings)
    assert verdict.passed, verdict


@pytest.mark.parametrize("is_settled", [True, False])
def test_what_dies_again_meanwhile_has_a_letter_of_that(
    world: World, monkeypatch: pytest.MonkeyPatch, is_settled: bool
) -> None:
    """Somebody retries it, or has, while the topics are read; its second death may be settled by now, or not."""
    (event_id,) = world.events("DEAD", ["k"])
    (copied,) = world.events("DEAD", ["l"])
    world.publish("k", event_id, topic=world.settings.topics.dead_letters)
    world.publish("l", copied, copied, topic=world.settings.topics.dead_letters)
    dies = "update bridge.parked set deaths = 2 where event_id = %s"
    flies = """
        update bridge.shard as s
           set in_flight = jsonb_build_object('changes', jsonb_build_array(
                   jsonb_build_object('seq', p.seq, 'state', 'dead'), jsonb_build_object('seq', 0, 'state', 'dead')))
          from bridge.parked as p where p.event_id = %s and s.shard = p.shard"""

    def read(*arguments: Any) -> Found:
        world.db.execute(dies if is_settled else flies, (event_id,))
        world.publish("k", event_id, topic=world.settings.topics.dead_letters)
        return read_topics(*arguments)

    monkeypatch.setattr(verify_module, "read_topics", read)
    assert verify(world.settings).examples == {"duplicated": (copied,)}


def test_what_is_dead_and_published_all_the_same_is_there_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what somebody retries while the topics are read."""
    ids = world.events("DEAD", ["k", "k", "k"])
    dead, given_up, retried = ids
    world.db.execute("select bridge.skip_dead(%s, 'a test')", (given_up,))
    world.publish("k", *ids, topic=world.settings.topics.dead_letters)
    world.publish("k", *ids)

    def read(*arguments: Any) -> Found:
        world.db.execute("update bridge.parked set state = 'published' where event_id = %s", (retried,))
        return read_topics(*arguments)

    monkeypatch.setattr(verify_module, "read_topics", read)
    verdict = verify(world.settings)
    assert (verdict.duplicated, set(verdict.examples["duplicated"])) == (2, {dead, given_up})
    assert set(verdict.examples) == {"duplicated"}


@pytest.mark.parametrize(
    ("usual", "of_route", "is_in_order"),
    [
        (OnDead.SKIP, None, True),
        (OnDead.HOLD, None, False),
        (OnDead.HOLD, OnDead.SKIP, True),
        (OnDead.SKIP, OnDead.HOLD, False),
    ],
)
def test_what_was_retried_and_held_nothing_up_has_no_place_in_the_order(
    world: World, usual: OnDead, of_route: OnDead | None, is_in_order: bool
) -> None:
    first, second, third = world.events("PROCESSED", ["k", "k", "k"])
    world.db.execute(
        "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, deaths)"
        " select seq, 'event_queue', id, created_at, shard, 'topic', 0, 'published', false, 1"
        " from bridge.event_queue where id = %s",
        (first,),
    )
    world.publish("k", first, topic=world.settings.topics.dead_letters)
    world.publish("k", second, first, third)
    route, *others = world.settings.routes
    routes = (replace(route, on_dead=of_route), *others)
    settings = replace(world.settings, relay=replace(world.settings.relay, on_dead=usual), routes=routes)
    assert verify(settings).examples == ({} if is_in_order else {"reordered": (first,)})


def test_every_extra_copy_counts_as_duplicated_and_not_as_reordered(world: World) -> None:
    first, second = world.events("PROCESSED", ["k", "k"])
    world.publish("k", first, second, first, first)
    verdict = verify(world.settings)
    assert (verdict.duplicated, verdict.reordered, verdict.lost, verdict.phantom) == (2, 0, 0, 0)
    assert verdict.examples["duplicated"] == (first,)


def test_the_same_event_in_two_topics_is_duplicated(world: World) -> None:
    ids = world.events("PROCESSED", ["k"])
    world.publish("k", *ids)
    world.publish("k", *ids, topic=world.settings.routes[1].topic)
    assert verify(world.settings).duplicated == 1


def test_reordered_within_a_key(world: World) -> None:
    first, second, third = world.events("PROCESSED", ["k", "k", "k"])
    world.publish("k", third, first, second)
    verdict = verify(world.settings)
    assert (verdict.reordered, verdict.duplicated) == (2, 0)
    assert set(verdict.examples["reordered"]) == {first, second}


def test_what_was_to_wait_for_its_time_has_no_place_in_the_order(world: World) -> None:
    (first,) = world.events("PROCESSED", ["k"])
    (late,) = world.events("PROCESSED", ["k"], wait="1 hour")
    second, third = world.events("PROCESSED", ["k", "k"])
    world.publish("k", second, first, third, late)
    assert verify(world.settings).examples == {"reordered": (first,)}


def test_what_comes_meanwhile_and_shares_its_key_has_no_place_in_the_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*arguments: Any) -> Found:
        own, shared, other = world.changes("1", "1", "2")
        world.db.execute("update bridge.history set event_key = 'k' where id in (%s, %s)", (shared, other))
        world.publish("k", other, shared, source="entity_events")
        (later,) = world.changes("1")
        world.publish("thing:1", later, own, source="entity_events")
        reordered.append(own)
        return read_topics(*arguments)

    reordered: list[str] = []
    monkeypatch.setattr(verify_module, "read_topics", read)
    assert verify(world.settings).examples == {"reordered": tuple(reordered)}


def test_other_keys_and_topics_have_orders_of_their_own(world: World) -> None:
    first, second, third = world.events("PROCESSED", ["k", "l", "k"])
    world.publish("k", third)
    world.publish("l", second)
    world.publish("k", first, topic=world.settings.routes[1].topic)
    assert verify(world.settings).passed


@pytest.mark.parametrize("event_id", [str(uuid.UUID(int=7)), "no uuid \x1b[31m", ""])
def test_phantom(world: World, event_id: str) -> None:
    world.publish("k", event_id)
    verdict = verify(world.settings)
    assert (verdict.phantom, verdict.lost) == (1, 0)
    assert verdict.examples["phantom"] == (event_id,)


def test_an_id_that_is_no_text_is_shown_as_well_as_it_can_be(world: World) -> None:
    headers = [("ce_id", b"\xff\0\x1b"), ("ce_source", f"/{world.name}/event_queue")]
    world.producer.produce(world.topic, b"{}", "k", headers=headers)
    world.producer.flush()
    assert verify(world.settings).examples["phantom"] == ("\N{REPLACEMENT CHARACTER}\0\x1b",)


def test_records_of_others_are_left_alone(world: World, kafka: str) -> None:
    raw_headers.produce(kafka, world.topic, b"x", {b"ce_id": b"1", b"\xff": b"a name that is not UTF-8"})
    world.producer.produce(world.topic, b"x", "k")
    world.producer.produce(world.topic, None, None, headers={"ce_id": "1"})
    world.producer.produce(world.topic, b"x", "k", headers={"ce_id": "1", "ce_source": "/another/event_queue"})
    world.producer.produce(world.topic, b"x", "k", headers={"ce_id": "1", "ce_source": None})
    world.producer.flush()
    verdict = verify(world.settings)
    assert verdict.passed
    assert verdict.records == 0


def test_what_was_aborted_was_not_published(world: World, kafka: str) -> None:
    ids = world.events("PROCESSED", ["k"])
    with_transactions = Producer({"bootstrap.servers": kafka, "transactional.id": world.name})
    with_transactions.init_transactions(30)
    aborting = replace(world)
    aborting.producer = with_transactions
    with_transactions.begin_transaction()
    aborting.publish("k", *ids, str(uuid.uuid4()))
    with_transactions.abort_transaction(30)
    verdict = verify(world.settings)
    assert (verdict.lost, verdict.phantom) == (1, 0)
    with_transactions.begin_transaction()
    aborting.publish("k", *ids)
    with_transactions.commit_transaction(30)
    with_transactions.close()
    assert verify(world.settings).passed


def test_waits_for_a_transaction_that_hides_what_was_committed_behind_it(world: World, kafka: str) -> None:
    ids = world.events("PROCESSED", ["k", "k"])
    slow = Producer({"bootstrap.servers": kafka, "transactional.id": world.name, "transaction.timeout.ms": 60_000})
    slow.init_transactions(30)
    slow.begin_transaction()
    slow.produce(world.topic, b"", "k", partition=0)
    slow.flush()
    for event_id in ids:  # committed, but behind the open transaction, so nobody can read it yet
        headers = {"ce_id": event_id, "ce_source": f"/{world.name}/event_queue"}
        world.producer.produce(world.topic, b"", "k", partition=0, headers=headers)
    world.producer.flush()
    ending = threading.Timer(1.0, lambda: slow.commit_transaction(30))
    ending.start()
    try:
        assert verify(world.settings).passed
    finally:
        ending.join()
        slow.close()


def test_no_false_alarm_while_events_are_written_and_published(world: World) -> None:
    """Each event is committed, published, settled, in this order; whenever one looks, nothing differs."""
    stop = threading.Event()

    def is_further(verdicts: list[Verdict]) -> bool:
        return verdicts[-1].published > verdicts[0].published

    def carry() -> None:
        with psycopg.connect(world.settings.database.url, autocommit=True) as db:
            mine = replace(world, db=db)
            while not stop.is_set():
                ids = mine.events("PENDING", ["k"] * 20)
                mine.publish("k", *ids)
                mine.settle()

    carrier = threading.Thread(target=carry)
    carrier.start()
    try:
        verdicts = [verify(world.settings) for _ in range(5)]
        eventually(lambda: verdicts.append(verify(world.settings)) or is_further(verdicts))
    finally:
        stop.set()
        carrier.join()
    assert all(verdict.passed for verdict in verdicts), verdicts


def test_refuses_a_database_that_was_not_migrated(world: World, empty_database: str) -> None:
    with pytest.raises(MigrationError, match="bridge migrate"):
        verify(replace(world.settings, database=DatabaseSettings(empty_database)))


def test_says_when_the_database_is_away(world: World) -> None:
    with pytest.raises(DatabaseUnavailable):
        verify(replace(world.settings, database=DatabaseSettings("postgresql://nobody@127.0.0.1:1/x")))


def test_needs_to_know_the_broker(world: World) -> None:
    with pytest.raises(ConfigError, match="no Kafka is given"):
        verify(replace(world.settings, kafka=KafkaSettings()))


def test_the_command_prints_the_verdict_and_exits_accordingly(world: World, tmp_path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[relay]\nname = "{world.name}"\n[topics]\ndead_letters = "{world.name}.dead"\n'
        f'[[routes]]\nevent_type = "thing.made"\ntopic = "{world.topic}"\nsubject = "x"\n'
    )
    environ = os.environ | {
        "BRIDGE_CONFIG": str(config),
        "BRIDGE_DATABASE_URL": world.settings.database.url,
        "BRIDGE_KAFKA_BOOTSTRAP_SERVERS": world.settings.kafka.bootstrap_servers,
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bridge", "verify", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    ids = world.events("PROCESSED", ["k"])
    failed = run("--json")
    assert failed.returncode == 6
    assert data_of(failed.stdout)["lost"] == 1
    assert data_of(failed.stdout)["examples"]["lost"] == ids
    assert failed.stderr.count("\n") == 1
    assert "lost 1" in failed.stderr
    shown = run()
    assert ids[0] in shown.stdout
    assert shown.returncode == 6
    world.publish("k", *ids)
    passed = run()
    assert (passed.returncode, passed.stderr) == (0, "")
