"""`bridge.consumer` on real servers: effects once, in order, and nothing that one event does stops the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import NewTopic
from fix_consumer import PARTITIONS, SOON, Scene
from fix_relay import eventually
from kafka_settings import create

from bridge.consumer import Consumer, Message, OnDead, RegistrySettings, Unavailable
from bridge.consumer.decoding import Decoder
from bridge.consumer.delivery import Delivery
from bridge.consumer.handlers import Handlers
from bridge.consumer.inbox import connect
from bridge.consumer.message import Arrived
from bridge.consumer.patience import Patience
from bridge.errors import BridgeError, ConfigError

Connection = psycopg.Connection[Any]
JSON = "application/json"


def write(message: Message, connection: Connection) -> None:
    connection.execute("insert into effect (key, n) values (%s, %s)", (message.key, message.value["n"]))


def failing_at(n: int, *, times: int = 1_000_000) -> Callable[[Message, Connection], None]:
    """Writes, and then fails at `n`, so that what it wrote must go."""

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == n and message.attempt <= times:
            raise ValueError("for a reason")

    return handle


def things(*numbers: int) -> list[dict[str, int]]:
    return [{"n": n} for n in numbers]


def test_a_handler_is_given_what_the_event_says(scene: Scene) -> None:
    got: list[Message] = []
    consumer = scene.consumer()
    consumer.handler("*")(lambda message, _: got.append(message))
    more = {"ce_subject": "4711", "ce_time": "2026-11-27T10:00:00.123456Z", "ce_sequence": "0000000000000000042"}
    scene.send({"amount": 12.50}, key="4711", tenant="a", traceparent="00-1-2-01", bridge_replayed="3", **more)

    with scene.running(consumer):
        eventually(lambda: got)

    (message,) = got
    assert (message.topic, message.key, message.offset, message.attempt) == (scene.topic, "4711", 0, 1)
    assert message.value == {"amount": Decimal("12.5")}
    assert (message.type, message.source, message.id) == ("thing.changed", "/test/outbox", f"{scene.name}-1")
    assert (message.subject, message.sequence, message.is_replayed) == ("4711", 42, True)
    assert message.time == datetime(2026, 11, 27, 10, 0, 0, 123456, UTC)
    assert (message.headers["tenant"], message.traceparent) == ("a", "00-1-2-01")
    assert message.at is not None
    assert message.at.tzinfo is UTC


def test_a_tombstone_reaches_the_handler_beside_the_deletion_of_its_id(scene: Scene) -> None:
    got: list[Any] = []
    consumer = scene.consumer()
    consumer.handler("thing.*")(lambda message, _: got.append(message.value))
    scene.send({"n": 1}, ce_id="deleted")
    scene.send(None, ce_id="deleted")
    scene.send(None, ce_id="deleted")

    with scene.running(consumer):
        eventually(lambda: len(got) == 2)

    assert got == [{"n": 1}, None]


def test_the_tombstone_behind_a_delete_goes_to_whoever_takes_all(scene: Scene) -> None:
    """It is no event: it has no type, and no id of its own."""
    got: list[tuple[str, str | None, Any]] = []
    consumer = scene.consumer()
    consumer.handler("thing.changed")(lambda message, _: got.append(("typed", message.key, message.value)))
    consumer.handler("*")(lambda message, _: got.append(("all", message.key, message.value)))
    for _ in range(2):  # as delivery = "at_least_once" may
        scene.send(None, key="a", ce_id="", ce_type="", ce_source="/test/tombstone", bridge_tombstone="7")
    scene.send({"n": 1}, key="a")

    with scene.running(consumer):
        eventually(lambda: len(got) == 2)

    assert got == [("all", "a", None), ("typed", "a", {"n": 1})]


def test_only_what_committed_is_handled(scene: Scene) -> None:
    scene.send(*things(1, 2))
    scene.send(*things(3, 4), is_aborted=True)
    scene.send(*things(5))
    consumer = scene.consumer()
    consumer.handler("thing.changed")(write)

    with scene.running(consumer):
        scene.wait_for(3)

    assert scene.effects() == [1, 2, 5]


def test_an_event_that_comes_twice_has_its_effect_once(scene: Scene) -> None:
    scene.send(*things(1), ce_id="same")
    scene.send(*things(1), ce_id="same")
    scene.send(*things(2), ce_id="same", ce_source="/other/outbox")  # another event
    consumer = scene.consumer()
    consumer.handler("thing.changed")(write)

    with scene.running(consumer):
        scene.wait_for(2)
        scene.send(*things(1), ce_id="same")
        scene.send(*things(3))
        scene.wait_for(3)

    assert scene.effects() == [1, 2, 3]


def test_the_newer_protocol_of_groups(scene: Scene) -> None:
    """KIP-848: the broker assigns."""
    scene.send(*things(1, 2))
    for expected in ([1, 2], [1, 2, 3]):
        consumer = scene.consumer(properties={"group.protocol": "consumer"})
        consumer.handler("thing.changed")(write)
        with scene.running(consumer):
            scene.wait_for(len(expected))
        assert scene.effects() == expected
        scene.send(*things(3))


def test_what_has_no_id_is_known_by_its_place(scene: Scene) -> None:
    scene.send(*things(1, 2), ce_id="")
    for _ in range(2):
        consumer = scene.consumer()
        consumer.handler("thing.changed")(write)
        with scene.running(consumer):
            scene.wait_for(2)

    assert scene.effects() == [1, 2]


def test_a_topic_that_is_made_anew_has_its_places_once_more(scene: Scene) -> None:
    """Its offsets begin at 0 again, and what is there now was never received."""
    for numbers in ([1, 2], [3, 4]):
        scene.send(*things(*numbers), ce_id="")
        consumer = scene.consumer()
        consumer.handler("thing.changed")(write)
        with scene.running(consumer):
            scene.wait_for(numbers[-1])
        scene.admin.delete_topics([scene.topic])[scene.topic].result(30)
        eventually(lambda: scene.topic not in scene.admin.list_topics(timeout=30).topics)
        create(scene.admin, NewTopic(scene.topic, PARTITIONS, 1))

    assert scene.effects() == [1, 2, 3, 4]


def test_the_longest_prefix_fits_best_and_others_are_passed_over(scene: Scene) -> None:
    got: list[tuple[str, str]] = []
    consumer = scene.consumer()
    consumer.handler("order.paid")(lambda message, _: got.append(("exact", message.type)))
    consumer.handler("order.*")(lambda message, _: got.append(("prefix", message.type)))
    consumer.handler("order.item.*")(lambda message, _: got.append(("longer", message.type)))
    for event_type in ("order.paid", "order.sent", "order.item.added", "nobody.knows", "order.paid"):
        scene.send({}, ce_type=event_type)

    with scene.running(consumer):
        eventually(lambda: len(got) == 4)

    assert got == [
        ("exact", "order.paid"),
        ("prefix", "order.sent"),
        ("longer", "order.item.added"),
        ("exact", "order.paid"),
    ]
    with pytest.raises(ValueError, match=r"two handlers for 'order\.\*'"):
        consumer.handler("order.*")(write)


def test_a_poison_event_stops_no_other_key_and_holds_its_own(scene: Scene) -> None:
    scene.send(*things(1, 2, 3), key="a")
    scene.send(*things(11, 12, 13), key="b")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(failing_at(2))

    with scene.running(consumer):
        eventually(lambda: [row[:2] for row in scene.parked()] == [("dead", 3), ("waiting", 0)])
        scene.send(*things(4), key="a")
        scene.send(*things(14), key="b")
        scene.wait_for(5)
        eventually(lambda: len(scene.parked()) == 3)

    assert scene.effects("a") == [1]
    assert scene.effects("b") == [11, 12, 13, 14]
    (letter,) = consumer.dead()
    assert (letter.topic, letter.key, letter.attempts, letter.reason) == (
        scene.topic,
        b"a",
        3,
        "ValueError: for a reason",
    )


def test_what_waits_goes_on_in_order_once_a_person_has_decided(scene: Scene) -> None:
    scene.send(*things(1, 2, 3, 4), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(failing_at(2))
    with scene.running(consumer):
        eventually(lambda: [row[0] for row in scene.parked()] == ["dead", "waiting", "waiting"])
        assert consumer.retry(0) == 0
        assert consumer.retry(consumer.dead()[0].number) == 1
        eventually(lambda: scene.parked()[0][:2] == ("dead", 3))
        assert scene.effects() == [1]

    mended = scene.consumer()
    mended.handler("thing.changed")(write)
    assert mended.retry(mended.dead()[0].number) == 1
    with scene.running(mended):
        scene.send(*things(5), key="a")
        scene.wait_for(5)

    assert scene.effects() == [1, 2, 3, 4, 5]
    assert scene.parked() == []


def test_a_consumer_says_at_its_start_what_is_dead_already(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def start_again(group: str = scene.name) -> list[str]:
        caplog.clear()
        consumer = scene.consumer(group=group)
        consumer.handler("thing.changed")(write)
        sent = len(scene.effects())
        scene.send(*things(9), key="other")
        with scene.running(consumer):
            scene.wait_for(sent + 1)
        return [one.getMessage() for one in caplog.records if getattr(one, "event", None) == "dead-before"]

    scene.send(*things(1), key="a")
    scene.send(*things(2), key="b")
    consumer = scene.consumer(attempts=1)

    @consumer.handler("thing.changed")
    def fail(message: Message, connection: Connection) -> None:
        raise ValueError("for a reason")

    with scene.running(consumer):
        eventually(lambda: len(consumer.dead()) == 2)
    assert start_again() == ["2 events are dead from before: Consumer.dead() lists them, retry() or skip() decides"]
    assert start_again(f"{scene.name}-other") == []
    consumer.skip(*[letter.number for letter in consumer.dead()])
    assert start_again() == []


def test_a_dead_event_can_be_given_up(scene: Scene) -> None:
    scene.send(*things(1, 2, 3), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(failing_at(1))

    with scene.running(consumer):
        eventually(lambda: consumer.dead())
        assert consumer.skip(consumer.dead()[0].number) == 1
        scene.wait_for(2)

    assert scene.effects() == [2, 3]


def test_the_order_of_a_key_is_given_up_by_choice(scene: Scene) -> None:
    scene.send(*things(1, 2, 3), key="a")
    consumer = scene.consumer(on_dead=OnDead.SKIP)
    consumer.handler("thing.changed")(failing_at(1))

    with scene.running(consumer):
        scene.wait_for(2)
        eventually(lambda: [row[0] for row in scene.parked()] == ["dead"])
        scene.send(*things(4), key="a")
        scene.wait_for(3)

    assert scene.effects() == [2, 3, 4]


def test_what_fails_for_a_while_keeps_its_place(scene: Scene) -> None:
    scene.send(*things(1, 2, 3, 4), key="a")
    consumer = scene.consumer(on_dead=OnDead.SKIP, backoff_seconds=0.5)
    consumer.handler("thing.changed")(failing_at(2, times=2))

    with scene.running(consumer):
        scene.wait_for(4)

    assert scene.effects() == [1, 2, 3, 4]
    eventually(lambda: scene.parked() == [])


def test_a_choice_that_is_changed_lets_go_what_waits(scene: Scene) -> None:
    scene.send(*things(1, 2, 3), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(failing_at(1))
    with scene.running(consumer):
        eventually(lambda: [row[0] for row in scene.parked()] == ["dead", "waiting", "waiting"])

    other = scene.consumer(on_dead=OnDead.SKIP)
    other.handler("thing.changed")(write)
    with scene.running(other):
        scene.wait_for(2)

    assert scene.effects() == [2, 3]


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"{", {"content__type": "application/json"}, "it is called JSON, and is none"),
        (b'{"n": 1e99999999999999999999}', {"content__type": "application/json"}, "a number beyond"),
        (b"no schema id", {"content__type": "application/avro"}, "no schema id in front"),
        (b"\0\x7f\xff\xff\xff!", {"content__type": "application/avro"}, "no Avro schema 2147483647"),
    ],
)
def test_what_cannot_be_decoded_is_dead_at_once(
    scene: Scene, value: bytes, headers: dict[str, str], reason: str
) -> None:
    scene.send(value, key="a", **headers)
    scene.send(*things(2), key="a")
    scene.send(*things(3), key="b")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(write)

    with scene.running(consumer):
        scene.wait_for(1)
        eventually(lambda: len(scene.parked()) == 2)

    assert [row[:2] for row in scene.parked()] == [("dead", 1), ("waiting", 0)]
    assert reason in scene.parked()[0][2]
    assert scene.effects() == [3]


def test_what_a_handler_needs_is_away(scene: Scene) -> None:
    is_away, calls = threading.Event(), []
    is_away.set()

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        calls.append(message.attempt)
        if is_away.is_set() and message.value["n"] == 2:
            raise Unavailable("the mail server does not answer")

    scene.send(*things(1, 2, 3), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(handle)

    with scene.running(consumer):
        eventually(lambda: len(calls) > 5)
        assert scene.effects() == [1]
        assert scene.parked() == []
        is_away.clear()
        scene.wait_for(3)

    assert scene.effects() == [1, 2, 3]
    assert set(calls) == {1}


def test_a_lost_connection_costs_nothing(scene: Scene) -> None:
    lost: list[int] = []

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        n = message.value["n"]
        if n in (2, 5) and n not in lost:
            lost.append(n)
            scene.execute("select pg_terminate_backend(%s)", connection.info.backend_pid)
            connection.execute("select 1")

    scene.send(*things(*range(1, 8)), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(handle)

    with scene.running(consumer):
        scene.wait_for(7)

    assert scene.effects() == [1, 2, 3, 4, 5, 6, 7]
    assert scene.parked() == []


def swallow(message: Message, connection: Connection) -> None:
    """The transaction has failed then, and COMMIT would roll it back without an error."""
    with suppress(psycopg.Error):
        connection.execute("select 1 / 0")


def roll_back(message: Message, connection: Connection) -> None:
    raise psycopg.Rollback


def defer(message: Message, connection: Connection) -> None:
    """Fails when the transaction commits."""
    connection.execute("insert into child values (1)")


@pytest.mark.parametrize(
    ("trap", "reason"),
    [
        (swallow, "outside of a transaction() of its own"),
        (roll_back, "psycopg.Rollback"),
        (defer, "violates foreign key constraint"),
    ],
)
def test_a_handler_that_would_lose_its_event_is_told(
    scene: Scene, trap: Callable[[Message, Connection], None], reason: str
) -> None:
    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == 3:
            trap(message, connection)

    scene.execute("create table parent (id int primary key)")
    scene.execute("create table child (id int references parent deferrable initially deferred)")
    scene.send(*things(1, 2, 3, 4), key="a")
    scene.send(*things(5, 6), key="b")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(handle)

    with scene.running(consumer):
        eventually(lambda: [row[:2] for row in scene.parked()] == [("dead", 3), ("waiting", 0)])
        scene.wait_for(4)

    assert scene.effects("a") == [1, 2]
    assert scene.effects("b") == [5, 6]
    assert reason in scene.parked()[0][2]


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("end", ["commit", "rollback", "commit and chain", "rollback and chain", "rollback; begin"])
def test_a_handler_that_ends_the_transaction_ends_the_consumer_and_loses_nothing(
    scene: Scene, end: str, attempt: int
) -> None:
    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == 2:
            if message.attempt < attempt:
                raise ValueError("for the first time")
            connection.execute(end.encode())

    scene.send(*things(1, 2, 3, 4), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(handle)
    with pytest.raises(BridgeError, match="ended the transaction"), scene.running(consumer) as thread:
        thread.join(60)

    other = scene.consumer()
    other.handler("thing.changed")(write)
    with scene.running(other):
        scene.wait_for(4)

    assert scene.effects() == [1, 2, 3, 4]


def test_a_transaction_of_its_own_is_a_savepoint(scene: Scene) -> None:
    def handle(message: Message, connection: Connection) -> None:
        with suppress(psycopg.errors.DivisionByZero), connection.transaction():
            write(message, connection)
            connection.execute("select 1 / 0")
        write(message, connection)

    scene.send(*things(1, 2))
    consumer = scene.consumer()
    consumer.handler("thing.changed")(handle)
    with scene.running(consumer):
        scene.wait_for(2)

    assert scene.effects() == [1, 2]


def test_it_ends_between_two_events_of_a_batch(scene: Scene) -> None:
    consumer = scene.consumer()

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == 3:
            consumer.stop()

    consumer.handler("thing.changed")(handle)
    scene.send(*things(*range(1, 10)), key="a")
    with scene.running(consumer) as thread:
        thread.join(60)
        assert not thread.is_alive()
    assert scene.effects() == [1, 2, 3]

    other = scene.consumer()
    other.handler("thing.changed")(write)
    with scene.running(other):
        scene.wait_for(9)

    assert scene.effects() == list(range(1, 10))


def test_the_inbox_forgets_what_is_old_in_slices(scene: Scene) -> None:
    scene.execute(
        "insert into bridge_inbox.received (consumer_group, ce_source, ce_id, received_at)"
        " select %s, '/old', g::text, now() - interval '1 day' * (g %% 2) - interval '1 hour'"
        " from generate_series(1, 5000) as g",
        scene.name,
    )
    consumer = scene.consumer(keep=timedelta(hours=12))
    consumer.handler("thing.changed")(write)
    scene.send(*things(1))

    with scene.running(consumer):
        left = "select count(*) from bridge_inbox.received"
        eventually(lambda: scene.execute(left) == [(2501,)])

    assert scene.execute("select count(*) from bridge_inbox.received where ce_source = '/old'") == [(2500,)]


def test_what_one_group_forgets_others_remember(scene: Scene) -> None:
    scene.execute(
        "insert into bridge_inbox.received (consumer_group, ce_source, ce_id, received_at)"
        " values (%s, '/old', '1', now() - interval '1 day'), ('another', '/old', '1', now() - interval '1 day')",
        scene.name,
    )
    consumer = scene.consumer(keep=timedelta(hours=12))
    consumer.handler("thing.changed")(write)

    with scene.running(consumer):
        left = "select consumer_group from bridge_inbox.received"
        eventually(lambda: len(scene.execute(left)) == 1)

    assert scene.execute(left) == [("another",)]


def test_many_handlers_that_take_a_while_keep_their_partitions(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they take longer than Kafka waits to hear from a consumer."""
    monkeypatch.setattr("bridge.consumer.delivery.BUSY_SECONDS", 1.0)

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        connection.execute("select pg_sleep(0.6)")

    scene.send(*things(*range(1, 15)), key="a")
    consumer = scene.consumer(properties=SOON | {"max.poll.interval.ms": "6000"})
    consumer.handler("thing.changed")(handle)
    with scene.running(consumer):
        scene.wait_for(14)

    assert "max.poll.interval.ms" not in caplog.text
    assert scene.effects() == list(range(1, 15))


def test_the_inbox_may_have_another_owner(scene: Scene) -> None:
    role = f"{scene.name}_consumer"
    scene.execute(f"create role {role} login password 'secret'")
    try:
        scene.execute(f"grant usage on schema bridge_inbox to {role}")
        scene.execute(f"grant select, insert, delete on bridge_inbox.received to {role}")
        scene.execute(f"grant select, insert, update, delete on bridge_inbox.parked to {role}")
        scene.execute(f"grant select, insert, update on bridge_inbox.progress to {role}")
        scene.execute(f"grant insert on effect to {role}")
        login = {"user": role, "password": "secret"}
        consumer = scene.consumer(database=psycopg.conninfo.make_conninfo(scene.database, **login))
        consumer.handler("thing.changed")(failing_at(1))
        consumer.create_inbox()  # it is there
        scene.send(*things(1, 2), key="a")
        with scene.running(consumer):
            eventually(lambda: consumer.dead())
            consumer.skip(consumer.dead()[0].number)
            scene.wait_for(1)
    finally:
        scene.execute(f"drop owned by {role}")
        scene.execute(f"drop role {role}")

    assert scene.effects() == [2]


def handling(consumer: Consumer) -> Consumer:
    consumer.handler("thing.changed")(write)
    return consumer


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"properties": {"isolation.level": "read_uncommitted"}}, "isolation.level is not to be set"),
        ({"properties": {"no.such": "1"}}, "No such configuration property"),
        ({"database": "postgresql://a b"}, "malformed"),
        ({"database": "postgresql://us@db.invalid/x?sslmode=require"}, "whoever answers would be believed"),
    ],
)
def test_what_cannot_be_right_is_refused(scene: Scene, more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        handling(scene.consumer(**more)).run()


def test_numbers_must_be_above_zero(scene: Scene) -> None:
    with pytest.raises(ConfigError, match="must be above 0"):
        scene.consumer(attempts=0)


def test_without_an_inbox_it_says_how_to_get_one(scene: Scene) -> None:
    scene.execute("drop schema bridge_inbox cascade")
    with pytest.raises(ConfigError, match=r"no inbox.*create_inbox"):
        handling(scene.consumer()).run()


def test_an_inbox_of_another_version(scene: Scene) -> None:
    """A newer one may have more columns than this consumer fills; an older one that lacks some is refused, by name."""
    scene.execute("alter table bridge_inbox.parked add column more text")
    scene.execute("alter table bridge_inbox.received add column more text default 'x'")
    scene.send(*things(1, 2), key="a")
    with scene.running(handling(scene.consumer())):
        scene.wait_for(2)
    scene.execute("alter table bridge_inbox.parked drop column reason")
    with pytest.raises(ConfigError, match=r"no inbox of this version \(it lacks bridge_inbox\.parked\.reason\)"):
        handling(scene.consumer()).run()


def test_two_groups_have_inboxes_of_their_own(scene: Scene) -> None:
    scene.send(*things(1, 2), key="a")
    for group in ("one", "two"):
        consumer: Consumer = scene.consumer(group=f"{scene.name}.{group}")
        consumer.handler("thing.changed")(write)
        with scene.running(consumer):
            scene.wait_for(2 if group == "one" else 4)

    assert scene.effects() == [1, 2, 1, 2]


def test_what_is_handled_and_what_comes_behind_it_do_not_miss_each_other(scene: Scene) -> None:
    """One consumer tries a parked event again; another, which has the partition, meets the next one of its key."""
    scene.send(*things(1, 2), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(failing_at(1))
    with scene.running(consumer):
        eventually(lambda: [row[0] for row in scene.parked()] == ["dead", "waiting"])
    third = Arrived(scene.topic, 0, 2, None, b"a", b'{"n": 3}', {"ce_type": "thing.changed", "content-type": JSON})
    handlers = Handlers()
    handlers.add("thing.changed", write)
    patience = Patience(attempts=3, seconds=0.05, dead_blocks=True)
    with ExitStack() as stack:
        one, two = (stack.enter_context(closing(connect(scene.database, scene.name))) for _ in range(2))
        first = Delivery(one, scene.name, handlers, Decoder(RegistrySettings()), patience)
        second = Delivery(two, scene.name, handlers, Decoder(RegistrySettings()), patience)
        first.parked.retry([consumer.dead()[0].number])
        assert first.retries.retry()
        with one.transaction():
            parked = first.parked.take()
            assert parked is not None
            first.parked.unpark(parked)  # nothing waits behind it
            thread = threading.Thread(target=second.deliver, args=([third], lambda: False))
            thread.start()
            waits = "select count(*) from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
            eventually(lambda: not thread.is_alive() or scene.execute(waits, two.info.backend_pid) == [(1,)])
        thread.join()

    assert scene.parked() == []
    assert scene.effects() == [1, 3]
