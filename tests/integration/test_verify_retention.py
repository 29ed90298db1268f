"""`verify` in normal life: what retention has taken on either side is not judged, and all else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions
from fix_verify import World
from kafka_settings import configure

from bridge.admin import verify as auditor
from bridge.admin.verify import verify
from bridge.cli.verify import describe
from bridge.errors import ConfigError
from bridge.kafka.partitioner import key_hash
from bridge.kafka.reader import Reader
from bridge.settings import Route

pytestmark = pytest.mark.usefixtures("same_day")


def partner(world: World, key: str) -> str:
    """Another key of the same partition."""
    return next(k for k in (f"p{n}" for n in range(1000)) if world.partition(k) == world.partition(key))


def set_topic(world: World, name: str, value: str) -> None:
    admin = AdminClient({"bootstrap.servers": world.settings.kafka.bootstrap_servers})
    configure(admin, ConfigResource.Type.TOPIC, world.topic, name, value)


def keep_for(world: World, days: int) -> None:
    set_topic(world, "retention.ms", str(days * 86_400_000))


# What was erased


def test_records_of_erased_events_may_be_gone_with_their_tombstone(world: World) -> None:
    """Compaction removes the last record of a key at its tombstone, and a day later the tombstone; no other does."""
    first, second, erased, lost = world.events("PROCESSED", ["k"] * 4)
    world.carry(first, second)
    world.trim(world.partition("k"), 1)
    world.db.execute('update bridge.outbox set headers = \'{"bridge_erased": "x"}\' where id = %s', (erased,))
    verdict = verify(world.settings)
    assert (set(verdict.examples["lost"]), verdict.not_judged) == ({erased, lost}, {"trimmed": 1})
    set_topic(world, "cleanup.policy", "compact")
    verdict = verify(world.settings)
    assert (verdict.examples, verdict.not_judged) == ({"lost": (lost,)}, {"compacted": 1, "erased": 1})


# What left the database


def test_records_whose_events_were_taken_out_are_no_phantoms(world: World) -> None:
    old = world.events("PROCESSED", ["k", "k", "l"])
    world.age(old, 10)
    world.carry(*old)
    new = world.events("PROCESSED", ["k"])
    world.carry(*new)
    world.take_out("bridge.outbox", 10)
    verdict = verify(world.settings)
    assert verdict.passed, verdict
    assert verdict.not_judged == {"departed": 3}
    world.carry(*new)
    assert verify(world.settings).duplicated == 1


def test_their_copies_are_duplicated_all_the_same(world: World) -> None:
    (old,) = world.events("PROCESSED", ["k"])
    world.age([old], 10)
    world.carry(old, old)
    world.carry(old, old, topic=world.settings.topics.dead_letters)  # it may have died twice
    world.take_out("bridge.outbox", 10)
    verdict = verify(world.settings)
    assert (verdict.duplicated, verdict.phantom) == (1, 0)


def test_of_another_time_or_source_they_are_phantoms(world: World) -> None:
    early, other = world.events("PROCESSED", ["k", "l"])
    (change,) = world.changes("1")
    world.age([early, other, change], 10)
    world.age([early], 1)
    world.carry(early, other, change)
    world.take_out("bridge.outbox", 10)
    world.db.execute("delete from bridge.outbox")
    world.db.execute("delete from bridge.history")
    verdict = verify(world.settings)
    assert set(verdict.examples["phantom"]) == {early, change}
    assert verdict.not_judged == {"departed": 1}


def test_a_partition_that_was_restored_has_all_its_events(world: World) -> None:
    (old,) = world.events("PROCESSED", ["k"])
    world.age([old], 10)
    world.carry(old)
    world.take_out("bridge.outbox", 10)
    world.db.execute("update bridge.retired_partition set state = 'restored'")
    assert verify(world.settings).phantom == 1


def test_what_a_person_dropped_is_phantom_until_he_says_so(world: World) -> None:
    old = world.events("PROCESSED", ["k", "l"])
    world.age(old, 10)
    world.carry(*old)
    since, until = world.take_out("bridge.outbox", 10, say=False)
    verdict = verify(world.settings)
    (gap,) = verdict.gaps
    assert (verdict.phantom, gap.table, gap.phantoms, gap.since, gap.until) == (2, "bridge.outbox", 2, since, until)
    world.db.execute(describe(verdict)[-1].encode())
    assert verify(world.settings).not_judged == {"departed": 2}
    world.db.execute("delete from bridge.retired_partition")
    world.db.execute("select bridge.create_partition('bridge.outbox'::regclass, %s, %s)", (since, until))
    world.db.execute(describe(verdict)[-1].encode())  # a keeper may have made it anew: it is empty
    assert verify(world.settings).not_judged == {"departed": 2}
    world.db.execute("delete from bridge.retired_partition")
    world.age(world.events("PENDING", ["m"]), 10)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="there are rows of that time"):
        world.db.execute(describe(verdict)[-1].encode())


def test_the_history_that_left_is_in_order_or_not(world: World) -> None:
    old = world.changes("1", "1", "2")
    world.age(old, 10)
    world.carry(old[1], old[0], old[2])
    kept = world.changes("2")
    world.carry(*kept)
    assert verify(world.settings).examples == {"reordered": (old[0],)}
    world.take_out("bridge.history", 10)
    assert verify(world.settings).examples == {"reordered": (old[0],)}


def test_what_left_may_have_waited_for_its_time(world: World) -> None:
    old = world.events("PROCESSED", ["k", "k"], wait="1 hour")
    world.age(old, 10)
    world.carry(*reversed(old))
    assert verify(world.settings).passed
    world.take_out("bridge.outbox", 10)
    assert verify(world.settings).passed


def test_numbers_that_a_restore_gave_twice_are_no_other_order(world: World) -> None:
    """The topic has changes that a restored database does not know; their numbers were given again."""
    first, second = world.changes("1", "1")
    world.age([first], 10)
    world.db.execute("update bridge.history set seq = seq + 100 where id = %s", (first,))
    world.carry(first, second)
    world.take_out("bridge.history", 10)
    assert verify(world.settings).passed


def test_a_partition_that_leaves_or_comes_while_verify_reads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = world.events("PROCESSED", ["k", "l"])
    world.age(old, 10)
    world.carry(*old)
    read = auditor.read_topics

    def meanwhile(do: Callable[[], object]) -> None:
        def reading(*arguments: object) -> object:
            found = read(*arguments)  # type: ignore[arg-type]
            do()
            return found

        monkeypatch.setattr(auditor, "read_topics", reading)

    meanwhile(lambda: world.take_out("bridge.outbox", 10))
    assert verify(world.settings).passed
    meanwhile(lambda: world.db.execute("update bridge.retired_partition set state = 'restored'"))
    assert verify(world.settings).passed


def test_a_partition_that_is_being_detached(world: World) -> None:
    old = world.events("PROCESSED", ["k"])
    world.age(old, 10)
    world.carry(*old)
    since, until = world.take_out("bridge.outbox", 10)
    world.db.execute("select bridge.create_partition('bridge.outbox'::regclass, %s, %s)", (since, until))
    world.db.execute("delete from bridge.retired_partition")
    assert verify(world.settings).phantom == 1
    world.db.execute(
        "update pg_inherits set inhdetachpending = true where inhrelid ="
        " (select leaf from bridge.partition_bounds('bridge.outbox') where range_from = %s)",
        (since,),
    )
    assert verify(world.settings).not_judged == {"departed": 1}


# What left Kafka


def test_what_precedes_the_first_records_of_its_key_is_not_judged(world: World) -> None:
    ids = world.events("PROCESSED", ["k"] * 6)
    world.carry(*ids[:4], ids[5])
    world.trim(world.partition("k"), 2)
    verdict = verify(world.settings)
    assert (verdict.trimmed, verdict.not_judged) == ((world.topic,), {"trimmed": 2})
    assert verdict.examples == {"lost": (ids[4],)}


def test_records_that_kafka_removes_while_verify_reads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.carry(*world.events("PROCESSED", ["k"] * 4))
    all_ends = Reader.all_ends

    def meanwhile(reader: Reader) -> object:
        world.trim(world.partition("k"), 2)
        return all_ends(reader)

    monkeypatch.setattr(Reader, "all_ends", meanwhile)
    verdict = verify(world.settings)
    assert verdict.passed, verdict
    assert verdict.not_judged in ({"trimmed": 2}, {})  # it may have had them by then


def test_a_partition_of_which_nothing_is_left(world: World) -> None:
    hashes = {key: key_hash(key.encode()) for key in (f"k{n}" for n in range(100))}
    emptied = next(key for key, hashed in hashes.items() if hashed % 3 == 1)
    world.carry(*world.events("PROCESSED", [emptied, emptied]))
    world.trim(1, 2)
    assert verify(world.settings).not_judged == {"trimmed": 2}
    # The topic may have had two partitions then, or one, but not four.
    one, other = (next(k for k, hashed in hashes.items() if hashed % 3 != 1 and hashed % 2 == odd) for odd in (1, 0))
    world.events("PROCESSED", [one])
    lost = world.events("PROCESSED", [other])
    verdict = verify(world.settings)
    assert (verdict.not_judged, verdict.examples) == ({"trimmed": 3}, {"lost": tuple(lost)})


def test_what_was_written_after_the_first_records_were_published_is_lost(world: World) -> None:
    key = partner(world, "k")
    removed = world.events("PROCESSED", ["k"])
    world.age(removed, 6)
    first = world.events("PROCESSED", ["k"])
    world.age(first, 5)
    lost = world.events("PROCESSED", [key])
    world.age(lost, 4)
    world.carry(*removed, *first)
    for partition in range(3):  # that there were three is known, too
        if partition != world.partition("k"):
            some = world.events("PROCESSED", [next(k for k in "abcdefgh" if world.partition(k) == partition)])
            world.age(some, 5)
            world.carry(*some)
    world.trim(world.partition("k"), 1)
    verdict = verify(world.settings)
    assert (verdict.examples, verdict.not_judged) == ({"lost": tuple(lost)}, {"trimmed": 1})
    world.age(lost, 0.98)  # an hour for clocks, and late commits
    assert verify(world.settings).not_judged == {"trimmed": 2}


def test_what_is_older_than_kafka_keeps_records_is_not_judged(world: World) -> None:
    first = world.events("PROCESSED", ["k"])
    second = world.events("PROCESSED", ["k"])
    world.age([*first, *second], 20)
    world.carry(*first, *second)
    other = world.events("PROCESSED", [partner(world, "k")])
    world.age(other, 8)
    keep_for(world, 30)
    world.trim(world.partition("k"), 1)
    for partition in range(3):
        if partition != world.partition("k"):
            some = world.events("PROCESSED", [next(k for k in "abcdefgh" if world.partition(k) == partition)])
            world.age(some, 20)
            world.carry(*some)
    assert verify(world.settings).examples == {"lost": tuple(other)}
    keep_for(world, 7)
    assert verify(world.settings).not_judged == {"trimmed": 2}


def test_what_waited_tells_nothing_about_when_it_was_published(world: World) -> None:
    """The first record that is left was written and read long ago, but was to wait for its time until just now."""
    first = world.events("PROCESSED", ["k"], wait="1 hour")
    world.age(first, 6)
    removed = world.events("PROCESSED", [partner(world, "k")])
    world.age(removed, 5)
    world.carry(*removed, *first)
    world.trim(world.partition("k"), 1)
    assert verify(world.settings).not_judged == {"trimmed": 1}


def test_what_had_died_tells_when_it_was_published_after_all(world: World) -> None:
    first = world.events("PROCESSED", ["k"])
    world.age(first, 6)
    removed = world.events("PROCESSED", [partner(world, "k")])
    world.age(removed, 5)
    world.db.execute(
        "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, deaths)"
        " select seq, 'event_queue', id, created_at, shard, 'topic', 0, 'published', false, 1"
        " from bridge.event_queue where id = %s",
        (first[0],),
    )
    world.carry(*removed, *first)
    world.trim(world.partition("k"), 1)
    assert verify(world.settings).not_judged == {"trimmed": 1}


def test_a_topic_that_had_fewer_partitions(world: World, kafka: str) -> None:
    """An event is not lost because its key would go elsewhere today."""
    key = next(k for k in (f"k{n}" for n in range(100)) if key_hash(k.encode()) % 4 == 3)
    removed = world.events("PROCESSED", [key])
    world.carry(*removed)
    world.trim(world.partition(key), 1)
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_partitions([NewPartitions(world.topic, 4)]).values():
        made.result()
    assert verify(world.settings).not_judged == {"trimmed": 1}


def test_dead_letters_that_kafka_removed(world: World) -> None:
    dead = world.events("DEAD", ["k", "k"])
    world.publish("k", *dead, topic=world.settings.topics.dead_letters)
    world.trim(world.partition("k"), 1, world.settings.topics.dead_letters)
    assert verify(world.settings).not_judged == {"trimmed": 1}


def test_compaction_leaves_the_last_record_of_a_key(world: World) -> None:
    set_topic(world, "cleanup.policy", "compact")
    ids = world.events("PROCESSED", ["k", "k", "l", "l"])
    world.carry(ids[1], ids[2])
    verdict = verify(world.settings)
    assert (verdict.examples, verdict.not_judged) == ({"lost": (ids[3],)}, {"compacted": 1})
    world.producer.produce(world.topic, None, "l")  # somebody removes the key
    world.producer.flush()
    assert verify(world.settings).not_judged == {"compacted": 2}


def test_compaction_leaves_what_came_last_whatever_its_number(world: World) -> None:
    set_topic(world, "cleanup.policy", "compact")
    waited = world.events("PROCESSED", ["k"], wait="1 hour")
    world.events("PROCESSED", ["k"])
    world.carry(*waited)
    verdict = verify(world.settings)
    assert (verdict.examples, verdict.not_judged) == ({}, {"compacted": 1})


def with_tombstones(world: World) -> None:
    """All that is published goes to a compacted topic, with tombstones."""
    routes = (Route("thing.made", world.topic, "x"), Route("entity.changed", world.topic, "x"))
    world.settings = replace(world.settings, routes=tuple(replace(route, tombstone=True) for route in routes))
    set_topic(world, "cleanup.policy", "compact")


def test_compaction_leaves_nothing_of_a_key_that_is_gone_for_long(world: World) -> None:
    """It removes what precedes a tombstone, and after delete.retention.ms, a day, the tombstone."""
    with_tombstones(world)
    removed = [*world.changes("1"), *world.changes("1", action="DELETE")]
    lost = world.changes("2")
    made = world.events("PROCESSED", ["k"])
    world.age([*removed, *lost, *made], 3)
    verdict = verify(world.settings)
    assert (verdict.examples, verdict.not_judged) == ({"lost": tuple(lost)}, {"compacted": 3})
    world.carry(removed[0])  # so there was no tombstone behind it
    world.age(made, -2.5)  # so there would be one still
    verdict = verify(world.settings)
    assert set(verdict.examples["lost"]) == {removed[1], *lost, *made}
    assert verdict.not_judged == {}


def test_a_tombstone_takes_nothing_that_comes_behind_it(world: World) -> None:
    with_tombstones(world)
    removed = [*world.changes("1"), *world.changes("1", action="DELETE")]
    lost = world.changes("1")
    headers = {"ce_source": f"/{world.name}/tombstone", "bridge_tombstone": removed[1]}
    world.producer.produce(world.topic, None, "thing:1", headers=headers)
    world.producer.flush()
    verdict = verify(world.settings)
    assert (verdict.examples, verdict.not_judged) == ({"lost": tuple(lost)}, {"compacted": 2})
    world.producer.produce(world.topic, None, "thing:1", headers=headers | {"bridge_replayed": "1"})
    world.producer.flush()
    assert verify(world.settings).not_judged == {"compacted": 3}


# Routes


def test_events_whose_route_named_another_topic(world: World) -> None:
    routes = world.settings.routes
    old = world.events("PROCESSED", ["k", "k"])
    world.carry(*old)
    moved = replace(world.settings, routes=(Route("thing.made", routes[1].topic, "x"), *routes[1:]))
    verdict = verify(moved)
    assert (verdict.lost, verdict.moved) == (2, ("event type thing.made",))
    assert "name that too: bridge verify --topic FORMER_TOPIC" in describe(verdict)[-1]
    assert verify(moved, [world.topic]).passed
    new = world.events("PROCESSED", ["k", "k"])
    world.carry(*new[:1], topic=routes[1].topic)
    verdict = verify(moved, [world.topic])
    assert (verdict.examples, verdict.moved) == ({"lost": (new[1],)}, ())


def test_events_whose_type_has_no_route_any_more(world: World) -> None:
    ids = world.events("PROCESSED", ["k", "k"])
    world.carry(ids[0])
    verdict = verify(replace(world.settings, routes=world.settings.routes[1:]))
    assert (verdict.passed, verdict.not_judged) == (True, {"unrouted": 2})
    verdict = verify(replace(world.settings, routes=world.settings.routes[1:]), [world.topic])
    assert (verdict.passed, verdict.not_judged) == (True, {"unrouted": 1})


# Parts


def test_only_a_topic(world: World) -> None:
    world.events("PROCESSED", ["k"])
    (change,) = world.changes("1")
    dead = world.events("DEAD", ["d"])
    assert verify(world.settings).lost == 3
    world.publish("d", *dead, topic=world.settings.topics.dead_letters, ce_type="thing.made")
    other = world.settings.routes[1].topic
    verdict = verify(world.settings, [other])
    assert (verdict.events, verdict.records, verdict.examples) == (1, 0, {"lost": (change,)})
    assert verify(world.settings, [world.topic]).lost == 1
    assert verify(world.settings, [world.topic, other]).lost == 2
    with pytest.raises(ConfigError, match="there is no topic 'nothing'"):
        verify(world.settings, ["nothing"])
    with pytest.raises(ConfigError, match="the topic of the dead letters"):
        verify(world.settings, [world.settings.topics.dead_letters])


def test_a_topic_that_is_not_there_is_told(world: World) -> None:
    route, *others = world.settings.routes
    world.events("PROCESSED", ["k"])
    assert verify(world.settings).missing == ()
    verdict = verify(replace(world.settings, routes=(replace(route, topic="no-such-topic"), *others)))
    assert (verdict.missing, verdict.lost) == (("no-such-topic",), 1)
    assert "Kafka has no topic no-such-topic." in describe(verdict)


def test_only_since_a_time(world: World) -> None:
    old = world.events("PROCESSED", ["k"] * 4)
    world.age(old, 10)
    world.carry(old[1], old[0], old[0])  # reordered, duplicated, and two are lost
    new = world.events("PROCESSED", ["k"] * 3)
    world.carry(new[0])
    gone = world.events("PROCESSED", ["k"])
    world.carry(*gone)
    world.db.execute("delete from bridge.outbox where id = %s", (gone[0],))
    assert not {"reordered", "duplicated"} - set(verify(world.settings).examples)
    for since in (timedelta(days=1), datetime.now(UTC) - timedelta(hours=3)):
        verdict = verify(world.settings, since=since)
        assert (verdict.events, verdict.records, verdict.lost, verdict.phantom) == (3, 2, 2, 1)
        assert set(verdict.examples) == {"lost", "phantom"}
    assert verify(world.settings, since=timedelta(days=11)).duplicated == 1
    future = datetime.now(UTC) + timedelta(days=1)
    assert verify(world.settings, since=future).passed


def test_since_a_time_reads_from_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = world.events("PROCESSED", ["k"] * 20)
    world.age(old, 10)
    world.carry(*old)
    new = world.events("PROCESSED", ["k"])
    world.carry(*new)
    told: list[tuple[str, int, int | None]] = []
    verdict = verify(world.settings, since=timedelta(days=1), progress=lambda *progress: told.append(progress))
    assert (verdict.passed, verdict.records) == (True, 1)
    assert told[-2:] == [("records", 1, 1), ("comparing", 0, None)]


def test_since_a_time_with_records_removed_before(world: World) -> None:
    old = world.events("PROCESSED", ["k"] * 3)
    world.age(old, 10)
    new = world.events("PROCESSED", ["k", "k", "k"])
    world.carry(*old, new[0], new[2])
    world.trim(world.partition("k"), 2)
    verdict = verify(world.settings, since=timedelta(days=1))
    assert (verdict.examples, verdict.not_judged) == ({"lost": (new[1],)}, {})


@pytest.mark.parametrize("key", ["a", "ab", "abc", "abcd", "Grüße", "\U0001f600" * 40])
def test_where_a_key_goes(world: World, key: str) -> None:
    placed: list[int | None] = []
    world.producer.produce(world.topic, b"", key, on_delivery=lambda error, message: placed.append(message.partition()))
    world.producer.flush()
    assert placed == [key_hash(key.encode()) % 3]


def test_a_role_that_may_only_read(world: World, unique: str) -> None:
    """docs/operations.md, Roles and rights."""
    (old,) = world.events("PROCESSED", ["k"])
    world.age([old], 10)
    world.carry(old)
    world.take_out("bridge.outbox", 10)
    world.events("PROCESSED", ["k"])
    world.db.execute(f"create role {unique} login password 'secret'")
    try:
        world.db.execute(f"grant usage on schema bridge to {unique}")
        world.db.execute(
            "grant select on bridge.event_queue, bridge.entity_events, bridge.outbox, bridge.history, bridge.parked,"
            f" bridge.event_seq, bridge.shard, bridge.retired_partition, bridge.schema_migration to {unique}"
        )
        url = psycopg.conninfo.make_conninfo(world.settings.database.url, user=unique, password="secret")  # noqa: S106
        verdict = verify(replace(world.settings, database=replace(world.settings.database, url=url)))
        assert (verdict.lost, verdict.not_judged) == (1, {"departed": 1})
    finally:
        world.db.execute(f"drop owned by {unique}")
        world.db.execute(f"drop role {unique}")
