"""Handlers that cost `bridge.consumer` more than their own event: its connection, its transaction, its database."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest
from fix_consumer import EFFECTS, PARTITIONS, SOON, Scene
from fix_relay import eventually

from bridge.consumer import Consumer, Message, create_inbox
from bridge.consumer.feed import Feed
from bridge.consumer.message import Arrived
from bridge.errors import BridgeError, BrokerRefuses, ConfigError

Connection = psycopg.Connection[Any]
Trap = Callable[[Scene, Connection], Any]
KEPT: list[Any] = []
END = "select pg_terminate_backend(pg_backend_pid())"


def write(message: Message, connection: Connection) -> None:
    connection.execute("insert into effect (key, n) values (%s, %s)", (message.key, message.value["n"]))


def things(*numbers: int) -> list[dict[str, int]]:
    return [{"n": n} for n in numbers]


def close(scene: Scene, connection: Connection) -> None:
    connection.close()


def end_session(scene: Scene, connection: Connection) -> None:
    connection.execute(END)


def end_session_and_catch_it(scene: Scene, connection: Connection) -> None:
    with suppress(psycopg.Error):
        connection.execute(END)


def idle_for_too_long(scene: Scene, connection: Connection) -> None:
    """The handler does not notice, but the statement that comes next."""
    connection.execute("set local idle_in_transaction_session_timeout = '20ms'")
    pid = connection.info.backend_pid
    eventually(lambda: not scene.execute("select 1 from pg_stat_activity where pid = %s", pid))


def leave_a_result(scene: Scene, connection: Connection) -> None:
    connection.pgconn.send_query(b"select pg_sleep(0.01)")


def leave_a_transaction(scene: Scene, connection: Connection) -> None:
    left = connection.transaction()
    KEPT.append(left)  # else it would be rolled back as soon as nobody has it
    left.__enter__()


async def wait_for_nobody(scene: Scene, connection: Connection) -> None:
    """Nothing of it runs."""


def yield_to_nobody(scene: Scene, connection: Connection) -> Generator[None]:
    yield


TRAPS: list[Trap] = [
    close,
    end_session,
    end_session_and_catch_it,
    idle_for_too_long,
    leave_a_result,
    leave_a_transaction,
    wait_for_nobody,
    yield_to_nobody,
]


def test_what_costs_the_connection_is_found_and_stops_nothing_else(scene: Scene) -> None:
    """Each key has a trap in the middle, of which one attempt after the other counts."""
    traps = {trap.__name__: trap for trap in TRAPS}
    consumer = scene.consumer()

    def handle(message: Message, connection: Connection) -> Any:
        write(message, connection)
        return traps[message.key](scene, connection) if message.value["n"] == 2 and message.key in traps else None

    consumer.handler("thing.changed")(handle)
    for name in traps:
        scene.send(*things(1, 2, 3), key=name)
        scene.send(*things(1, 2, 3), key=f"beside {name}")
    with scene.running(consumer):
        eventually(lambda: len(consumer.dead()) == len(traps))
        scene.send(*things(4), key="later")
        eventually(lambda: scene.effects("later") == [4])

    assert {letter.key: letter.attempts for letter in consumer.dead()} == {name.encode(): 3 for name in traps}
    for name in traps:
        assert (scene.effects(name), scene.effects(f"beside {name}")) == ([1], [1, 2, 3])
    reasons = {letter.key.decode(): letter.reason for letter in consumer.dead() if letter.key}
    assert reasons["end_session"].startswith("AdminShutdown: ")
    assert "idle" in reasons["idle_for_too_long"]
    assert "asynchronous" in reasons["wait_for_nobody"]

    mended = scene.consumer()
    mended.handler("thing.changed")(write)
    mended.retry(*(letter.number for letter in mended.dead()))
    with scene.running(mended):
        eventually(lambda: not scene.parked())
    for name in traps:
        assert scene.effects(name) == [1, 2, 3]


def test_what_spoils_the_session_for_the_inbox_counts_as_its_attempt(scene: Scene) -> None:
    """As it is parked already, our own statement behind it is what fails."""
    role = f"{scene.name}_nobody"
    scene.execute(f"create role {role}")
    scene.send(*things(1, 2), key="a")
    consumer = scene.consumer()

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == 1:
            if message.attempt == 1:
                raise ValueError("for the first time")
            connection.execute(f"set local role {role}".encode())

    consumer.handler("thing.changed")(handle)
    try:
        with scene.running(consumer):
            eventually(lambda: consumer.dead())
            scene.send(*things(3), key="b")
            scene.wait_for(1)
    finally:
        scene.execute(f"drop role {role}")

    assert scene.effects() == [3]
    assert consumer.dead()[0].attempts == 3


@pytest.mark.parametrize("fails", ["who commits", "who comes next"])
def test_behind_a_commit_in_a_handler_a_failure_loses_nothing(scene: Scene, fails: str) -> None:
    """All of the batch were received with what the handler commits."""

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == 2:
            connection.execute("commit" if fails == "who commits" else "commit and chain")
        if message.value["n"] == (2 if fails == "who commits" else 3):
            raise ValueError("behind it")

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


def test_what_cannot_be_parked_waits_and_says_why(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'no room'; end $$;"
        "create constraint trigger refuse after insert on bridge_inbox.parked deferrable initially deferred"
        " for each row execute function refuse()"
    )

    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == 2 and message.attempt < 2:
            raise ValueError('for a reason\nLINE 1: "their value"')

    scene.send(*things(1, 2, 3), key="a")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(handle)
    with scene.running(consumer):
        eventually(lambda: "no room; trying again" in caplog.text)
        scene.execute("drop trigger refuse on bridge_inbox.parked")
        scene.wait_for(3)

    assert scene.effects() == [1, 2, 3]
    assert caplog.text.count("no room; trying again") == 1


def test_the_reason_of_a_dead_event_is_one_line(scene: Scene) -> None:
    scene.send(*things(1), key="a")
    consumer = scene.consumer(attempts=1)
    consumer.handler("thing.changed")(lambda _, connection: connection.execute("select 1 +"))
    with scene.running(consumer):
        eventually(lambda: consumer.dead())

    assert consumer.dead()[0].reason == "SyntaxError: syntax error at end of input"


class Speechless(Exception):
    """As one that somebody raises without what its text is made of."""

    def __str__(self) -> str:
        raise AttributeError("no text")


def test_an_error_that_cannot_be_told_is_one_event_s_too(scene: Scene) -> None:
    def handle(message: Message, connection: Connection) -> None:
        write(message, connection)
        if message.value["n"] == 1:
            raise Speechless

    scene.send(*things(1), key="a")
    scene.send(*things(2), key="b")
    consumer = scene.consumer()
    consumer.handler("thing.changed")(handle)
    with scene.running(consumer):
        eventually(lambda: consumer.dead())
        scene.wait_for(1)

    assert (scene.effects(), consumer.dead()[0].reason) == ([2], "Speechless: ")


def test_rights_on_the_inbox_are_asked_for_at_the_start_and_said_later(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.consumer.loop.CLEAN_SECONDS", 0.2)
    role = f"{scene.name}_consumer"
    scene.execute(f"create role {role} login password 'secret'")
    scene.execute(f"grant insert on effect to {role}")
    login = psycopg.conninfo.make_conninfo(scene.database, **{"user": role, "password": "secret"})
    consumer = scene.consumer(database=login)
    consumer.handler("thing.changed")(write)
    try:
        with pytest.raises(ConfigError, match=r"no right to USAGE on the schema bridge_inbox, .*INSERT on .*received"):
            consumer.run()
        scene.execute(f"grant usage on schema bridge_inbox to {role}")
        scene.execute(f"grant select, insert, delete on bridge_inbox.received to {role}")
        scene.execute(f"grant select, insert, update on bridge_inbox.parked to {role}")
        scene.execute(f"grant select, insert, update on bridge_inbox.progress to {role}")
        with pytest.raises(ConfigError, match=r"has no right to DELETE on bridge_inbox.parked\. Have the owner grant"):
            consumer.run()
        scene.execute(f"grant delete on bridge_inbox.parked to {role}")
        with scene.running(consumer):
            scene.send(*things(1))
            scene.wait_for(1)
            scene.execute(f"revoke insert on bridge_inbox.received from {role}")
            scene.send(*things(2))
            eventually(lambda: "permission denied for table received" in caplog.text)
            scene.execute(f"grant insert on bridge_inbox.received to {role}")
            scene.wait_for(2)
            scene.execute("alter table bridge_inbox.received rename to elsewhere")
            eventually(lambda: "does not exist; trying again" in caplog.text)
            scene.execute("alter table bridge_inbox.elsewhere rename to received")
            scene.send(*things(3))
            scene.wait_for(3)
    finally:
        scene.execute(f"drop owned by {role}")
        scene.execute(f"drop role {role}")

    assert scene.effects() == [1, 2, 3]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding(scene: Scene, encoding: str) -> None:
    name = f"{scene.name}_{encoding.lower()}"
    scene.execute(f"create database {name} template template0 encoding '{encoding}' locale 'C'")
    try:
        scene.database = psycopg.conninfo.make_conninfo(scene.database, dbname=name)
        create_inbox(scene.database)
        scene.execute(EFFECTS)
        consumer = scene.consumer(attempts=1)
        consumer.handler("thing.changed")(write)
        consumer.handler("*")(lambda message, _: message.value[message.key])
        scene.send(*things(1, 2), key="a")
        scene.send({}, key="\u043a\u043b\u044e\u0447", ce_type="\u0441\u043e\u0431\u044b\u0442\u0438\u0435")
        with scene.running(consumer):
            scene.wait_for(2)
            eventually(lambda: consumer.dead())
        (letter,) = consumer.dead()
    finally:
        scene.database = psycopg.conninfo.make_conninfo(scene.database, dbname="postgres")
        scene.execute(f"drop database {name} with (force)")

    assert letter.key == "\u043a\u043b\u044e\u0447".encode()
    event_type = "\\u0441\\u043e\\u0431\\u044b\\u0442\\u0438\\u0435"
    assert (letter.type, letter.reason) == (event_type, "KeyError: '\\u043a\\u043b\\u044e\\u0447'")


def read(feed: Feed, most: int) -> list[Arrived]:
    feed.go_back(lambda begins: begins)
    return feed.next(most)


def test_a_partition_that_leaves_while_its_consumer_waits_is_read_when_it_is_back(scene: Scene) -> None:
    """It is paused when it leaves, and Kafka's client would keep it so."""

    def member() -> Feed:
        return Feed(scene.kafka, scene.name, [scene.topic], SOON, allow_insecure=False)

    def owned(feed: Feed) -> int:
        return len(feed._kafka.assignment())

    with closing(member()) as one:
        eventually(lambda: read(one, 1) or owned(one) == PARTITIONS)
        with closing(member()) as other:
            eventually(lambda: one.wait(0.1, lambda: False) or read(other, 1) or owned(other))
        eventually(lambda: read(one, 1) or owned(one) == PARTITIONS)
        for number in range(30):
            scene.send(*things(number), key=f"key {number}")
        eventually(lambda: {record.partition for record in read(one, 500)} == set(range(PARTITIONS)), 20)


def test_a_member_whose_name_another_one_has_taken_is_told(scene: Scene) -> None:
    scene.send(*things(*range(1, 200)), key="a")

    def member() -> Feed:
        return Feed(scene.kafka, scene.name, [scene.topic], SOON | {"group.instance.id": "one"}, allow_insecure=False)

    with closing(member()) as one:
        eventually(lambda: read(one, 500))
        with closing(member()) as other:
            eventually(lambda: read(other, 500))
            with pytest.raises(BrokerRefuses, match=r"Kafka does not let this consumer go on: .*instance"):
                eventually(lambda: read(one, 1) and one.done(1))


def test_its_beginning_and_its_partitions_are_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "bridge.consumer"):
        consumers: list[Consumer] = [scene.consumer(), scene.consumer()]
        for consumer in consumers:
            consumer.handler("thing.changed")(write)
        with scene.running(consumers[0]):
            eventually(lambda: f"{scene.topic}[3]" in caplog.text)
            with scene.running(consumers[1]):
                eventually(lambda: "go to other consumers" in caplog.text)
        said = [record.getMessage() for record in caplog.records if record.name == "bridge.consumer"]

    assert said[0] == f"consuming {scene.topic}, as a member of the group {scene.name}"
    assert said[1].startswith("these partitions are this consumer's now: ")
    assert {f"{scene.topic}[{n}]" for n in range(4)} == set(said[1].partition(": ")[2].split(", "))


def test_avro_without_a_registry_names_the_parameter(scene: Scene) -> None:
    scene.send(b"\0\0\0\0\1\2", key="a")
    consumer = scene.consumer(registry="")
    consumer.handler("thing.changed")(write)
    with pytest.raises(ConfigError, match=r"no schema registry is given.*the consumer's parameter `registry`"):
        consumer.run()
