"""`bridge grants`: with exactly what it prints, each does its work, and is refused what lies beyond."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from fix_acl import SecuredBroker, User
from fix_command import Run, data_of
from fix_relay import Site, eventually
from psycopg import sql
from psycopg.conninfo import make_conninfo
from reaction import assert_flows, running

from bridge.admin.checks.rights import check_rights
from bridge.admin.grants import IN_DATABASE
from bridge.errors import DatabaseRefuses
from bridge.local.postgres import binaries
from bridge.postgres.migrate import require_current
from bridge.settings import Settings

REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}


def apply_printed(site: Site, run: Run, role: str, user: User) -> None:
    printed = run("grants", "--role", role, "--to", user.name, "--json", "--config", str(site.config))
    assert printed.code == 0, printed
    (found,) = data_of(printed.out)["roles"]
    assert found["kafka"]
    for command in found["kafka"]:
        user.apply(command)


def test_with_the_printed_acls(
    strict_site: Site, secured_broker: SecuredBroker, user: User, run: Run, unique: str
) -> None:
    """A relay, exactly once; a reader that verifies, tails and examines; a consumer with a group."""
    site, servers = strict_site, {"bootstrap.servers": secured_broker.bootstrap_servers}
    reader = secured_broker.user(f"{unique}-reader", "S3CR3T-of-the-reader")
    consumer = secured_broker.user(f"{unique}-consumer", "S3CR3T-of-the-consumer")
    for role, one in {"relay": user, "reader": reader, "consumer": consumer}.items():
        apply_printed(site, run, role, one)
    things, dead_letters = site.topics[0], site.topics[-1]

    with running(site):
        site.publish(20, event_type="unknown.type")
        site.change(20)
        assert_flows(site, "other.changed")
    login = {f"BRIDGE_KAFKA_PROPERTIES_SASL_{name.upper()}": getattr(reader, of) for name, of in
             (("username", "name"), ("password", "password"))}  # fmt: skip
    verdict = site.bridge("verify", environment=login)
    assert verdict.returncode == 0, verdict
    tail = site.bridge("tail", things, "--from-beginning", "--max", "1", "--json", environment=login)
    assert (tail.returncode, len(tail.stdout.splitlines())) == (0, 1), tail
    examined = json.loads(site.bridge("doctor", "--json", environment=login).stdout)["data"]["checks"]
    kafka = [check for check in examined if check["name"].startswith("kafka")]
    assert kafka
    assert not [check for check in kafka if "AUTHORIZATION" in check["text"].upper()], kafka

    group = Consumer({**servers, **consumer.properties, "group.id": consumer.name, "auto.offset.reset": "earliest"})
    group.subscribe(site.topics[:-1])
    read = [eventually(lambda: group.poll(0.5)) for _ in range(3)]
    assert [message.error() for message in read] == [None] * 3
    group.commit(asynchronous=False)
    group.close()

    assert_refused(lambda: consume({**servers, **user.properties}, things))  # a relay reads its control topic alone
    assert_refused(lambda: consume({**servers, **consumer.properties}, dead_letters))
    for one in (reader, consumer):
        assert_refused(lambda one=one: produce({**servers, **one.properties}, things))
        assert_refused(lambda one=one: begin({**servers, **one.properties}, f"{site.name}-0"))
    assert_refused(lambda: produce({**servers, **user.properties}, f"{unique}.elsewhere"))
    assert_refused(lambda: begin({**servers, **user.properties}, f"other-{site.name}-0"))
    for one in (user, reader, consumer):
        admin = AdminClient({**servers, **one.properties})
        assert_refused(lambda admin=admin: admin.delete_topics([things])[things].result(30))
        assert_refused(lambda one=one: subscribe({**servers, **one.properties}, f"{unique}-others", things))


def assert_refused(attempt: Callable[[], object]) -> None:
    with pytest.raises(KafkaException) as refused:
        attempt()
    assert refused.value.args[0].code() in REFUSED, refused.value


def consume(properties: dict[str, str], topic: str) -> None:
    consumer = Consumer({**properties, "group.id": "none"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    raise_error_of(consumer)


def subscribe(properties: dict[str, str], group: str, topic: str) -> None:
    consumer = Consumer({**properties, "group.id": group})
    consumer.subscribe([topic])
    raise_error_of(consumer)


def raise_error_of(consumer: Consumer) -> None:
    try:
        message = eventually(lambda: consumer.poll(0.5))
        if error := message.error():
            raise KafkaException(error)
    finally:
        consumer.close()


def produce(properties: dict[str, str], topic: str) -> None:
    told: list[KafkaError | None] = []
    producer = Producer(properties)
    producer.produce(topic, b"x", on_delivery=lambda error, _message: told.append(error))
    producer.flush(30)
    if error := told[0]:
        raise KafkaException(error)


def begin(properties: dict[str, str], transactional_id: str) -> None:
    Producer({**properties, "transactional.id": transactional_id}).init_transactions(30)


def psql(url: str, statements: str) -> int:
    """Its exit code, as the documents have it called: with the SQL at its input and no option of its own."""
    command = [str(binaries() / "psql"), "-qX", url]
    return subprocess.run(command, input=statements, text=True, check=False, timeout=60).returncode


@contextmanager
def new_role(database: str, name: str, *, is_granted: bool) -> Iterator[psycopg.Connection]:
    """A superuser's connection beside a role that may nothing yet. Unless it `is_granted` rights, it has none in the
    end: Postgres would not drop it.
    """
    identifier = sql.Identifier(name)
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(sql.SQL("create role {} login password 'x'").format(identifier))
        try:
            yield db
        finally:
            db.execute("reset session authorization")
            if is_granted:
                db.execute(sql.SQL("drop owned by {}").format(identifier))
            db.execute(sql.SQL("drop role {}").format(identifier))


@pytest.mark.parametrize("role", IN_DATABASE)
def test_the_printed_sql_is_all_that_a_role_needs(database: str, run: Run, unique: str, role: str) -> None:
    """Nothing is changed by printing; what was printed is enough for doctor, and no more."""
    name = f'{unique} "odd"; drop'
    with new_role(database, name, is_granted=True) as db:
        printed = run("grants", "--role", role, "--to", name).out
        acl = "select count(*) from pg_shdepend where refobjid = (select oid from pg_roles where rolname = %s)"
        assert db.execute(acl, (name,)).fetchone() == (0,)
        assert psql(database, printed) == 0
        url = make_conninfo(database, user=name, password="x")  # noqa: S106 - a test's own
        with psycopg.connect(url) as own:
            (found, *_) = check_rights(own, Settings())
        assert "no more that is known to harm" in found.text, found
        assert role in found.text


def test_half_of_the_printed_sql_is_never_applied(database: str, run: Run, unique: str) -> None:
    with new_role(database, unique, is_granted=False) as db:
        printed = run("grants", "--role", "relay", "--to", unique).out
        assert psql(database, printed.replace("bridge.shard", "bridge.is_not_there")) == 3
        may = db.execute("select has_schema_privilege(%s, 'bridge', 'usage')", (unique,))
        assert may.fetchone() == (False,)


def test_a_role_without_rights_is_told_how_it_gets_them(database: str, unique: str) -> None:
    with new_role(database, unique, is_granted=False) as db:
        db.execute(sql.SQL("set session authorization {}").format(sql.Identifier(unique)))
        with pytest.raises(DatabaseRefuses) as refused:
            require_current(db)
        assert f"bridge grants --role relay --to {db.info.user}" in (refused.value.hint or "")


def test_the_printed_sql_for_a_migrator_where_its_roles_are(database: str, run: Run, unique: str) -> None:
    with new_role(database, unique, is_granted=True) as db:
        assert psql(database, run("grants", "--role", "migrator", "--to", unique).out) == 0
        assert db.execute("select pg_has_role(%s, 'bridge_capture', 'member')", (unique,)).fetchone() == (True,)
