"""`bridge tail` as a stranger uses it, on real topics and a real registry."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import fastavro
import pytest
import raw_headers
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fix_command import data_of, lines_of
from fix_relay import eventually
from kafka_settings import create

SCHEMA = {
    "type": "record",
    "name": "test.Made",
    "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "note", "type": ["null", "string"]},
    ],
}
TREE = {"type": "record", "name": "test.Tree", "fields": [{"name": "next", "type": ["null", "test.Tree"]}]}

Tail = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def topic(kafka: str, unique: str) -> Iterator[str]:
    admin = AdminClient({"bootstrap.servers": kafka})
    create(admin, NewTopic(f"{unique}.things", 3, 1))
    yield f"{unique}.things"
    admin.delete_topics([f"{unique}.things"])[f"{unique}.things"].result(30)


@pytest.fixture
def producer(kafka: str) -> Iterator[Producer]:
    producer = Producer({"bootstrap.servers": kafka})
    yield producer
    producer.close()


@pytest.fixture
def environ(kafka: str, registry: str) -> dict[str, str]:
    return os.environ | {"BRIDGE_KAFKA_BOOTSTRAP_SERVERS": kafka, "BRIDGE_REGISTRY_URL": registry}


@pytest.fixture
def tail(environ: dict[str, str]) -> Tail:
    def run(
        *arguments: str, preexec_fn: Callable[[], None] | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bridge", "tail", *arguments]
        return subprocess.run(
            command, env=environ | more, capture_output=True, text=True, timeout=60, preexec_fn=preexec_fn
        )

    return run


def wire(schema_id: int, schema: dict, value: object) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


@pytest.fixture
def register(registry: str, unique: str) -> Callable[[dict], int]:
    def register(schema: dict) -> int:
        with SchemaRegistryClient({"url": registry, "timeout": 30}) as client:
            return client.register_schema(f"{unique}-{schema['name']}", Schema(json.dumps(schema), "AVRO"))

    return register


def test_decodes_avro(topic: str, producer: Producer, tail: Tail, register: Callable[[dict], int]) -> None:
    value = {"id": "0190a1b2-1111-7222-8333-444455556666", "at": 1_790_000_000_123_456, "note": "Zoë"}
    schema_id = register(SCHEMA)
    headers = [("ce_type", "thing.made"), ("trace", b"\xff"), ("none", None)]
    producer.produce(topic, wire(schema_id, SCHEMA, value), "k", headers=headers, timestamp=1_790_000_000_123)
    producer.flush()
    done = tail(topic, "--from-beginning", "--max", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert data_of(line) == {
        "topic": topic, "partition": data_of(line)["partition"], "offset": 0, "time": "2026-09-21T14:13:20.123Z",
        "key": "k", "headers": {"ce_type": "thing.made", "trace": "\\xff", "none": None}, "schema_id": schema_id,
        "value": {"id": value["id"], "at": "2026-09-21T14:13:20.123456+00:00", "note": "Zoë"},
    }  # fmt: skip
    shown = tail(topic, "--from-beginning", "--exit-on-end")
    assert "ce_type=thing.made" in shown.stdout
    assert '"note":"Zoë"' in shown.stdout


def test_shows_what_is_not_avro(topic: str, producer: Producer, tail: Tail) -> None:
    expected = {
        b"just text": "just text",
        b"\x1b[2J": "\x1b[2J",
        b"\xff\xfe": "\\xfffe",
        b"": "",
        None: None,
        b"\0": "\0",
        b"\0\xff\xff\xff\xffno such id": "\\x00ffffffff6e6f2073756368206964",
        b"\0\x7f\xff\xff\xff": "\\x007fffffff",
        b"\0\0\0\0\0\x05": "\0\0\0\0\0\x05",
    }
    for value in expected:
        producer.produce(topic, value, None, partition=0)
    producer.flush()
    done = tail(topic, "--from-beginning", "--exit-on-end", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = lines_of(done.stdout)
    assert [record["value"] for record in found] == list(expected.values())
    assert {(record["schema_id"], record["key"]) for record in found} == {(None, None)}
    assert "\x1b" not in tail(topic, "--from-beginning", "--exit-on-end").stdout


def test_bytes_that_only_look_like_avro(topic: str, producer: Producer, tail: Tail, register) -> None:
    prefix = b"\0" + register(SCHEMA).to_bytes(4, "big")
    for rest in (b"", b"\xff" * 20, b"\x48abc", wire(1, SCHEMA, {"id": "x", "at": 1, "note": None})[5:] + b"more"):
        producer.produce(topic, prefix + rest, "k", partition=0)
    producer.flush()
    done = tail(topic, "--from-beginning", "--exit-on-end", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [record["schema_id"] for record in lines_of(done.stdout)] == [None] * 4


def test_survives_a_value_nested_without_bound(topic: str, producer: Producer, tail: Tail, register) -> None:
    prefix = b"\0" + register(TREE).to_bytes(4, "big")
    producer.produce(topic, prefix + b"\x02" * 50_000 + b"\0", "k")
    producer.produce(topic, prefix + b"\x02\x00", "k")
    producer.flush()
    done = tail(topic, "--from-beginning", "--exit-on-end", "--json")
    assert done.returncode == 0
    values = [record["value"] for record in lines_of(done.stdout)]
    assert values[0].startswith("\\x00") or values[0].startswith("\0")
    assert values[1] == {"next": {"next": None}}


def test_claims_are_not_believed(topic: str, producer: Producer, tail: Tail, register) -> None:
    """2^40 nulls in seven bytes; fastavro would make a list of them."""
    nulls = register(
        {"type": "record", "name": "test.N", "fields": [{"name": "f", "type": {"type": "array", "items": "null"}}]}
    )
    value = b"\0" + nulls.to_bytes(4, "big") + b"\x80\x80\x80\x80\x80\x40\0"
    producer.produce(topic, value, "k")
    producer.flush()
    done = tail(topic, "--from-beginning", "--exit-on-end", "--json", preexec_fn=at_most_a_gigabyte)
    assert (done.returncode, done.stderr) == (0, "")
    assert data_of(done.stdout)["value"] == f"\\x{value.hex()}"


def at_most_a_gigabyte() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))


@pytest.mark.parametrize("timestamp", [2**62, 253_402_300_800_000])
def test_a_time_that_no_calendar_has(topic: str, producer: Producer, tail: Tail, kafka: str, timestamp: int) -> None:
    limit = ConfigEntry("message.timestamp.after.max.ms", str(2**63 - 1), incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource("topic", topic, incremental_configs=[limit])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.incremental_alter_configs([change])[change].result(30)

    def is_taken() -> bool:  # a broker needs a moment to know its topic's new limit
        errors: list[object] = []
        producer.produce(topic, "x", "k", timestamp=timestamp, on_delivery=lambda error, _: errors.append(error))
        producer.flush()
        return errors[0] is None  # a KafkaError that is compared with None raises later, somewhere else

    eventually(is_taken)
    done = tail(topic, "--from-beginning", "--exit-on-end", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert data_of(done.stdout)["time"] == "9999-12-31T23:59:59.999999Z"


def test_header_names_that_are_no_text(topic: str, tail: Tail, kafka: str) -> None:
    raw_headers.produce(kafka, topic, b"x", {b"\xff\xfe": b"v"})
    raw_headers.produce(kafka, topic, b"y", {b"a\0b": b"v", b"\x1b[2J": b"v"})
    done = tail(topic, "--from-beginning", "--exit-on-end", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = {record["value"]: record["headers"] for record in lines_of(done.stdout)}
    assert found["x"] == {"\N{REPLACEMENT CHARACTER}": None}
    assert found["y"]["\x1b[2J"] == "v"


def test_shows_only_what_was_committed(topic: str, kafka: str, tail: Tail, unique: str) -> None:
    transactional = Producer({"bootstrap.servers": kafka, "transactional.id": unique})
    transactional.init_transactions(30)
    for outcome in (transactional.abort_transaction, transactional.commit_transaction):
        transactional.begin_transaction()
        transactional.produce(topic, outcome.__name__, "k")
        outcome(30)
    transactional.begin_transaction()
    transactional.produce(topic, "open", "k")
    transactional.flush()
    done = tail(topic, "--from-beginning", "--exit-on-end", "--json")
    assert [record["value"] for record in lines_of(done.stdout)] == ["commit_transaction"]
    transactional.abort_transaction(30)
    transactional.close()


def test_several_topics_and_max(topic: str, producer: Producer, tail: Tail) -> None:
    for number in range(20):
        producer.produce(topic, str(number), "k")
    producer.flush()
    done = tail(topic, topic, "--from-beginning", "--max", "7", "--json")
    assert [record["value"] for record in lines_of(done.stdout)] == [str(number) for number in range(7)]


def test_joins_no_group_and_commits_nothing(topic: str, producer: Producer, tail: Tail, kafka: str) -> None:
    producer.produce(topic, "x", "k", partition=0)
    producer.flush()
    tail(topic, "--from-beginning", "--max", "1")
    admin = AdminClient({"bootstrap.servers": kafka})  # by a name: one that nobody holds ends, and never answers
    groups = admin.list_consumer_groups().result(30)
    assert "bridge.reader" not in [group.group_id for group in groups.valid]
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bridge.reader"})
    assert consumer.committed([TopicPartition(topic, 0)], 10)[0].offset < 0
    consumer.close()


def test_follows_what_comes_and_ctrl_c_ends_it_quietly(topic: str, producer: Producer, environ: dict[str, str]) -> None:
    producer.produce(topic, "before", "k")
    producer.flush()
    command = [sys.executable, "-m", "bridge", "tail", topic, "--json"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        os.set_blocking(running.stdout.fileno(), False)

        def shown() -> str:  # it starts at the end, whenever that is; what comes later is shown
            producer.produce(topic, "after", "k")
            producer.flush()
            assert running.poll() is None
            return running.stdout.readline()

        # Not so many that they fill the pipe, which nobody reads then.
        assert data_of(eventually(shown))["value"] == "after"
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
        assert running.stderr.read() == ""


def test_a_closed_pipe_ends_it_quietly(topic: str, producer: Producer, environ: dict[str, str]) -> None:
    for _ in range(5000):
        producer.produce(topic, "x" * 100, "k")
    producer.flush()
    command = f"{sys.executable} -m bridge tail {topic} --from-beginning --exit-on-end | head -1"
    done = subprocess.run(command, shell=True, env=environ, capture_output=True, text=True, timeout=60)  # noqa: S602
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_an_unknown_topic_is_named_with_the_nearest(topic: str, tail: Tail) -> None:
    done = tail(topic[:-1])
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert f"there is no topic '{topic[:-1]}'. Did you mean {topic}" in done.stderr


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"BRIDGE_KAFKA_BOOTSTRAP_SERVERS": ""}, 4, "no Kafka is given"),
        ({"BRIDGE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 3, "no Kafka broker answers at 127.0.0.1:1"),
        ({"BRIDGE_CONFIG": "/nowhere/bridge.toml"}, 4, "/nowhere/bridge.toml"),
    ],
)
def test_wrong_settings_are_explained_on_one_line(
    topic: str, tail: Tail, changed: dict[str, str], code: int, said: str
) -> None:
    done = tail(topic, **changed)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"BRIDGE_REGISTRY_URL": ""}, 4, "no schema registry is given"),
        ({"BRIDGE_REGISTRY_URL": "http://127.0.0.1:1"}, 3, "cannot reach the registry at http://127.0.0.1:1"),
    ],
)
def test_the_registry_is_needed_for_avro_only(
    topic: str, producer: Producer, tail: Tail, changed: dict[str, str], code: int, said: str
) -> None:
    producer.produce(topic, "text", "k")
    producer.flush()
    assert tail(topic, "--from-beginning", "--exit-on-end", **changed).returncode == 0
    producer.produce(topic, b"\0\0\0\0\1x", "k")
    producer.flush()
    done = tail(topic, "--from-beginning", "--exit-on-end", **changed)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
