"""The registry's client, on a real registry and on servers that misbehave."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from lying_registry import LyingRegistry

from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import ConfigError, IncompatibleSchema, RegistryUnavailable, SchemaRefused, SchemaUnregistered
from bridge.registry.client import RegistryClient
from bridge.settings import RegistrySettings, Settings


def schema(*fields: dict) -> str:
    return json.dumps({"type": "record", "name": "test.R", "doc": "é", "fields": list(fields)})


ONE = schema({"name": "a", "type": "string"})
TWO = schema({"name": "a", "type": "string"}, {"name": "b", "type": ["null", "int"], "default": None})
BREAKING = schema({"name": "a", "type": "string"}, {"name": "b", "type": "int"})

Open = Callable[..., RegistryClient]


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry, "timeout": 30}) as client:
        yield client


@pytest.fixture
def open_registry(registry: str) -> Open:
    def open_registry(**more: object) -> RegistryClient:
        settings = RegistrySettings(**({"url": registry, "timeout_seconds": 30.0} | more))
        return RegistryClient(Settings(registry=settings))

    return open_registry


def test_a_new_subject_gets_its_level_and_then_its_schema(
    open_registry: Open, client: SchemaRegistryClient, unique: str
) -> None:
    schema_id = open_registry(compatibility="FULL").schema_id(AvroSchema(unique, ONE))
    assert client.get_compatibility(unique) == "FULL"
    assert client.get_versions(unique) == [1]
    assert json.loads(client.get_schema(schema_id).schema_str)["fields"] == json.loads(ONE)["fields"]


def test_a_level_that_somebody_has_set_is_left_alone(
    open_registry: Open, client: SchemaRegistryClient, unique: str
) -> None:
    client.register_schema(unique, Schema(ONE, "AVRO"))
    client.set_compatibility(unique, "NONE")
    open_registry().schema_id(AvroSchema(unique, BREAKING))
    assert client.get_compatibility(unique) == "NONE"


def test_a_schema_that_is_there_already_is_only_looked_up(
    open_registry: Open, client: SchemaRegistryClient, unique: str
) -> None:
    first = client.register_schema(unique, Schema(ONE, "AVRO"))
    client.set_compatibility(unique, "NONE")
    client.register_schema(unique, Schema(BREAKING, "AVRO"))
    client.set_compatibility(unique, "FULL")
    assert open_registry().schema_id(AvroSchema(unique, json.dumps(json.loads(ONE), indent=2))) == first
    assert client.get_versions(unique) == [1, 2]


def test_a_compatible_schema_becomes_the_next_version(
    open_registry: Open, client: SchemaRegistryClient, unique: str
) -> None:
    registry = open_registry()
    assert registry.schema_id(AvroSchema(unique, ONE)) != registry.schema_id(AvroSchema(unique, TWO))
    assert client.get_versions(unique) == [1, 2]


@pytest.mark.parametrize("level", ["BACKWARD", "BACKWARD_TRANSITIVE", "FULL"])
def test_an_incompatible_schema_is_refused_and_not_registered(
    open_registry: Open, client: SchemaRegistryClient, unique: str, level: str
) -> None:
    registry = open_registry(compatibility=level)
    registry.schema_id(AvroSchema(unique, ONE))
    with pytest.raises(IncompatibleSchema, match=f"{unique} is not compatible .*level {level}") as refused:
        registry.schema_id(AvroSchema(unique, BREAKING))
    assert "\n" not in str(refused.value)
    assert client.get_versions(unique) == [1]


def test_also_where_the_registry_itself_enforces_nothing(
    open_registry: Open, client: SchemaRegistryClient, unique: str
) -> None:
    client.register_schema(unique, Schema(ONE, "AVRO"))  # no level was ever set
    with pytest.raises(IncompatibleSchema):
        open_registry().schema_id(AvroSchema(unique, BREAKING))
    assert client.get_versions(unique) == [1]


def test_a_refusal_is_asked_about_again(open_registry: Open, client: SchemaRegistryClient, unique: str) -> None:
    registry = open_registry()
    registry.schema_id(AvroSchema(unique, ONE))
    with pytest.raises(IncompatibleSchema):
        registry.schema_id(AvroSchema(unique, BREAKING))
    client.set_compatibility(unique, "NONE")
    assert registry.schema_id(AvroSchema(unique, BREAKING))


def test_a_relay_that_is_not_to_register_only_looks_up(
    open_registry: Open, client: SchemaRegistryClient, unique: str
) -> None:
    registry = open_registry(register=False)
    with pytest.raises(SchemaUnregistered, match=f"{unique}.avsc.*`bridge schema apply`"):
        registry.schema_id(AvroSchema(unique, ONE))
    assert unique not in client.get_subjects()
    registered = client.register_schema(unique, Schema(ONE, "AVRO"))
    assert registry.schema_id(AvroSchema(unique, ONE)) == registered
    with pytest.raises(SchemaUnregistered):
        registry.schema_id(AvroSchema(unique, TWO))
    assert client.get_versions(unique) == [1]


def test_a_level_that_may_not_be_set_is_said_and_checked_here(
    open_registry: Open,
    registry: str,
    client: SchemaRegistryClient,
    unique: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both what the level forbids and what it allows; the registry itself would check BACKWARD."""
    guarded = LyingRegistry(registry, about=unique, methods=("PUT /config", "GET /config"))
    guarded.begin("403")
    try:
        asking = open_registry(url=guarded.url, compatibility="FORWARD")
        asking.schema_id(AvroSchema(unique, TWO))
        assert "not yours" in caplog.text
        assert "is checked for FORWARD here" in caplog.text
        with pytest.raises(IncompatibleSchema, match=r"\$\.a: .*level FORWARD|level FORWARD.*\$\.a: "):
            asking.schema_id(AvroSchema(unique, schema({"name": "b", "type": "int"})))
        assert client.get_versions(unique) == [1]
    finally:
        guarded.close()


def test_who_may_not_register_is_told_so(open_registry: Open, registry: str, unique: str) -> None:
    guarded = LyingRegistry(registry, about=unique, methods=(f"POST /subjects/{unique}/versions",))
    guarded.begin("403")
    try:
        said = f"does not let us register a schema of {unique} .403.: .*not yours.*schema apply"
        with pytest.raises(SchemaRefused, match=said):
            open_registry(url=guarded.url).schema_id(AvroSchema(unique, ONE))
    finally:
        guarded.close()


def test_many_threads_register_one_version(open_registry: Open, client: SchemaRegistryClient, unique: str) -> None:
    registry = open_registry()
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: registry.schema_id(AvroSchema(unique, ONE)), range(16)))
    assert len(ids) == 1
    assert client.get_versions(unique) == [1]


def test_schemas_by_id(open_registry: Open, unique: str) -> None:
    registry = open_registry()
    schema_id = registry.schema_id(AvroSchema(unique, ONE))
    assert registry.schema_by_id(schema_id)["name"] == "test.R"
    assert registry.schema_by_id(2**32 - 1) is None


def test_what_is_no_avro_has_no_schema(open_registry: Open, client: SchemaRegistryClient, unique: str) -> None:
    schema_id = client.register_schema(
        unique, Schema('{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}', "JSON")
    )
    assert open_registry().schema_by_id(schema_id) is None


def test_a_schema_that_the_registry_calls_invalid(open_registry: Open, unique: str) -> None:
    """We take it; Avro's Java parser does not."""
    with pytest.raises(SchemaRefused, match="not valid"):
        open_registry().schema_id(AvroSchema(unique, '{"type": "fixed", "name": "test.F", "size": 3000000000}'))


def test_nobody_there(open_registry: Open) -> None:
    with pytest.raises(RegistryUnavailable, match=r"cannot reach the registry at http://127\.0\.0\.1:1"):
        open_registry(url="http://127.0.0.1:1").schema_id(AvroSchema("s", ONE))


def test_a_password_in_the_url_is_not_repeated(open_registry: Open) -> None:
    with pytest.raises(RegistryUnavailable) as away:
        open_registry(url="http://us:canary@127.0.0.1:1/x").schema_id(AvroSchema("s", ONE))
    assert "canary" not in str(away.value)


def test_a_registry_that_hangs_is_given_up_and_only_once_for_all_who_wait(open_registry: Open) -> None:
    """Nine more threads find the failure that they waited for; asking one by one would make ten connections."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = open_registry(url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=1.0)
        waiting = threading.Barrier(10)

        def ask(_: int) -> None:
            waiting.wait()
            with pytest.raises(RegistryUnavailable, match="timed out"):
                registry.schema_id(AvroSchema("s", ONE))

        with ThreadPoolExecutor(10) as pool:
            list(pool.map(ask, range(10)))
        assert 1 <= connections(silent) < 10


def connections(listening: socket.socket) -> int:
    """How many were made that nobody has accepted."""
    listening.setblocking(False)
    made = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            made += 1
    return made


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    """Starts a server that gives one answer to everything; returns its URL."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (
            500,
            b'{"error_code": 50001, "message": "store is\\n down"}',
            RegistryUnavailable,
            "answers 500 .*store is down",
        ),
        (503, b"<html>", RegistryUnavailable, "answers 503"),
        (429, b"{}", RegistryUnavailable, "answers 429"),
        (401, b"{}", ConfigError, "refuses the login"),
        (403, b'{"message": "no"}', ConfigError, "refuses the login"),
        (200, b"<html>", ConfigError, "does not answer like a schema registry"),
        (404, b"<html>", ConfigError, "does not answer like a schema registry"),
        (409, b'{"error_code": 409, "message": "field b"}', IncompatibleSchema, "field b"),
        (422, b'{"error_code": 42201, "message": "bad"}', SchemaRefused, "not valid: bad"),
    ],
)
def test_each_answer_has_its_reaction(
    open_registry: Open,
    answering: Callable[[int, bytes], str],
    status: int,
    body: bytes,
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said) as refused:
        open_registry(url=answering(status, body)).schema_id(AvroSchema("s", ONE))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "localhost:8081", "ftp://x"])
def test_an_address_that_cannot_be_one(url: str) -> None:
    with pytest.raises(ConfigError, match="registry"):
        RegistryClient(Settings(registry=RegistrySettings(url=url)))
