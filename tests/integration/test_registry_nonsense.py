"""A registry whose answers make no sense, never end, or are meant to harm: an outage, said in printable words."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable

import pytest
from fix_registry import Hostile, Speak, answer

from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import BridgeError, ConfigError, RegistryUnavailable
from bridge.registry.client import RegistryClient
from bridge.settings import RegistrySettings, Settings

TEXT = AvroSchema("s", '{"type": "record", "name": "test.R", "fields": [{"name": "a", "type": "string"}]}').text
OTHER = '{"type": "record", "name": "test.R", "fields": [{"name": "a", "type": "bytes"}]}'
SECONDS = 0.5  # to wait for an answer that never ends
PATIENCE = 30.0  # for one that is there
MOST_TAKEN = 64_000_000  # bytes, of a body without end: what we read, and what lies in the sockets' buffers

Start = Callable[[Speak], Hostile]


def ask(hostile: Hostile, *, by_id: bool = False, seconds: float = PATIENCE) -> BridgeError:
    """The error that the client raises, which must be fit to be shown."""
    client = RegistryClient(Settings(registry=RegistrySettings(url=hostile.url, timeout_seconds=seconds)))
    with pytest.raises(BridgeError) as caught:
        client.schema_by_id(7) if by_id else client.schema_id(AvroSchema("s", TEXT))
    assert str(caught.value).isprintable(), str(caught.value)
    assert len(str(caught.value)) < 1_000
    return caught.value


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


IDS = ["abc", "7", None, -1, 0, 2**32, 2**70, 1.5, True, [], [7], {}, {"id": 7}]
BODIES = {
    **{f"id {id_!r}": as_json({"id": id_}) for id_ in IDS},
    "no id": b"{}", "null": b"null", "a list": b"[]", "a text": b'"id"', "a number": b"7", "nothing": b"",
    "no JSON": b"id: 7", "cut off": b'{"id": 7', "no UTF-8": b'{"id": 7, "subject": "\xff\xfe"}',
    "NUL": b'{"id": "\x00"}', "NaN": b'{"id": NaN}',
    "deep": b'{"id":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep and open": b"[" * 1_000_000,
    "a number of a million digits": b'{"id": ' + b"9" * 1_000_000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_senseless_answers(hostile: Start, body: bytes) -> None:
    registry = hostile(answer(body))
    assert type(ask(registry)) is RegistryUnavailable
    assert type(ask(registry, by_id=True)) is RegistryUnavailable


@pytest.mark.parametrize("schema", [None, 7, [], {}, True])
def test_schemas_that_are_no_text(hostile: Start, schema: object) -> None:
    assert type(ask(hostile(answer(as_json({"schema": schema}))), by_id=True)) is RegistryUnavailable


HEADS = {
    "another type": (200, ["Content-Type: image/png"]), "text": (200, ["Content-Type: text/plain; charset=utf-16"]),
    "no type": (200, []),
}  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_the_type_of_the_content_does_not_matter(hostile: Start, head: str) -> None:
    """Proxies lose it; the content is what counts."""
    body = as_json({"id": 7, "schema": TEXT})
    client = RegistryClient(Settings(registry=RegistrySettings(url=hostile(answer(body, *HEADS[head][1])).url)))
    assert client.schema_id(AvroSchema("s", TEXT)) == 7


def test_an_id_of_another_schema(hostile: Start) -> None:
    error = ask(hostile(answer(as_json({"id": 7, "schema": OTHER}))))
    assert type(error) is RegistryUnavailable
    assert "under the id 7 it has another schema" in str(error)


def test_a_schema_that_reads_alike_is_ours(hostile: Start) -> None:
    """Registries write schemas anew: in another order, with other documentation."""
    same = {
        "doc": "x", "fields": [{"doc": "y", "type": {"type": "string"}, "name": "a", "default": "z"}],
        "namespace": "test", "name": "R", "type": "record", "aliases": ["Q"],
    }  # fmt: skip
    body = as_json({"id": 7, "schema": json.dumps(same)})
    client = RegistryClient(Settings(registry=RegistrySettings(url=hostile(answer(body)).url)))
    assert client.schema_id(AvroSchema("s", TEXT)) == 7


@pytest.mark.parametrize("status", ["500 Oops", "503 Away", "418 Teapot", "429 Slow down", "100000 X", "99 X", "205 X"])
def test_text_that_would_steer_a_terminal(hostile: Start, status: str) -> None:
    escapes = '{"error_code": 1, "message": "\\u001b]0;owned\\u0007\\u001b[31m\\u202e\\n' + "long " * 100_000 + '"}'
    assert type(ask(hostile(answer(escapes.encode(), status=status)))) is RegistryUnavailable


def test_what_a_page_says_is_a_matter_of_configuration(hostile: Start) -> None:
    for status in ("200 OK", "404 Not Found"):
        error = ask(hostile(answer(b"\n <!doctype html>\x1b[31m", status=status)))
        assert type(error) is ConfigError
        assert "does not answer like a schema registry" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(hostile: Start, status: int) -> None:
    """Our password would go where somebody else says."""
    elsewhere = hostile(answer(as_json({"id": 7, "schema": TEXT})))
    location = f"Location: {elsewhere.url}/\x1b[31m{'x' * 10_000}"
    error = ask(hostile(answer(b"", location, status=f"{status} Elsewhere")))
    assert type(error) is RegistryUnavailable
    assert elsewhere.sent == 0


# Without end. Each speaks until the client hangs up.


def a_large_body(hostile: Hostile, connection: socket.socket) -> None:
    hostile.send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while not hostile.ending.is_set():
        hostile.send(connection, b" " * 65536)


def an_endless_body(hostile: Hostile, connection: socket.socket) -> None:
    hostile.send(connection, b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not hostile.ending.is_set():
        hostile.send(connection, b"10000\r\n" + b" " * 65536 + b"\r\n")


def a_bomb(hostile: Hostile, connection: socket.socket) -> None:
    bomb = gzip.compress(bytes(200_000_000))
    hostile.send(connection, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb))
    hostile.send(connection, bomb)


def drip(start: bytes, drop: bytes) -> Speak:
    def speak(hostile: Hostile, connection: socket.socket) -> None:
        hostile.send(connection, start)
        while not hostile.hung_up(connection, SECONDS / 20):
            hostile.send(connection, drop)

    return speak


ENDLESS = {
    "a gigabyte": a_large_body,
    "endless": an_endless_body,
    "a compressed bomb": a_bomb,
    "silence": drip(b"", b""),
    "a body in drops": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
    "chunks in drops": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a header in drops": drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers in drops": drip(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "a status line in drops": drip(b"HTTP/1.1 200 ", b"O"),
    "continue, and continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("speak", ENDLESS.values(), ids=ENDLESS)
def test_answers_without_end(hostile: Start, speak: Speak) -> None:
    """The client hangs up by itself: the server never would."""
    registry = hostile(speak)
    assert type(ask(registry, seconds=SECONDS)) is RegistryUnavailable
    assert registry.left.wait(30)
    assert not registry.ending.is_set()
    assert registry.sent < MOST_TAKEN


NO_HTTP = {
    "nothing": b"", "half a line": b"HTTP/1.1 20", "noise": bytes(range(256)) * 100,
    "another protocol": b"220 smtp\r\n",
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    "a wrong length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "too short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    "another protocol from now on": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "an escape in the status": b"HTTP/1.1 500 \x1b[31m\r\nContent-Length: 0\r\n\r\n",
    "bytes in a header": b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "a broken cookie": b"HTTP/1.1 500 X\r\nSet-Cookie: \xff=\x01; expires=never\r\nContent-Length: 0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("said", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http(hostile: Start, said: bytes) -> None:
    assert type(ask(hostile(lambda registry, connection: registry.send(connection, said)))) is RegistryUnavailable


def test_the_next_address_is_asked(hostile: Start) -> None:
    good = hostile(answer(as_json({"id": 7, "schema": TEXT})))
    for bad in (answer(b"", status="503 Away"), lambda registry, connection: None):
        urls = f"{hostile(bad).url}, {good.url}"
        client = RegistryClient(Settings(registry=RegistrySettings(url=urls, timeout_seconds=PATIENCE)))
        assert client.schema_id(AvroSchema("s", TEXT)) == 7
