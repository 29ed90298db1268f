"""`bridge config` on the real command line, and what every command does with a wrong configuration. Needs no server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fix_command import data_of

from bridge.resources import resource

CANARY = "canary"
ROUTE = "[[routes]]\nevent_type = '{}'\ntopic = '{}'\nsubject = '{}'\n"
SUBJECT = "crm.contact-crm.ContactCreated"
EVERYTHING = (
    ["run"],
    ["status"],
    ["verify"],
    ["recover"],
    ["dead", "list"],
    ["tail", "x"],
    ["migrate"],
    ["config", "show"],
)


def bridge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "bridge.toml"
    path.write_text(ROUTE.format("a", "t", SUBJECT))
    return path


@contextmanager
def listeners(count: int) -> Iterator[list[socket.socket]]:
    """Servers that would notice a visitor."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    for server in servers:
        server.setblocking(False)
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


def test_check_visits_no_server(config: Path) -> None:
    with listeners(4) as servers:
        database, kafka, registry, tokens = (server.getsockname()[1] for server in servers)
        environment = {
            "BRIDGE_DATABASE_URL": f"postgresql://us:{CANARY}@127.0.0.1:{database}/db",
            "BRIDGE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
            "BRIDGE_REGISTRY_URL": f"http://127.0.0.1:{registry}",
            "BRIDGE_KAFKA_PROPERTIES_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "BRIDGE_KAFKA_PROPERTIES_SASL_MECHANISM": "OAUTHBEARER",
            "BRIDGE_KAFKA_PROPERTIES_SASL_OAUTHBEARER_METHOD": "oidc",
            "BRIDGE_KAFKA_PROPERTIES_SASL_OAUTHBEARER_CLIENT_ID": "mine",
            "BRIDGE_KAFKA_PROPERTIES_SASL_OAUTHBEARER_CLIENT_SECRET": CANARY,
            "BRIDGE_KAFKA_PROPERTIES_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": f"http://127.0.0.1:{tokens}",
        }
        for command in ("check", "show"):
            assert bridge("config", command, "--config", str(config), **environment).returncode == 0
        for server in servers:
            with pytest.raises(BlockingIOError):
                server.accept()


def test_what_ships_is_right(tmp_path: Path) -> None:
    demo = str(resource("config", "demo.toml"))
    done = bridge("config", "check", "--config", demo)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{demo}: 16 routes to 6 topics; nothing is wrong\n"
    both = tmp_path / "both.toml"
    texts = [resource("config", name).read_text("utf-8") for name in ("bridge.toml", "demo.toml")]
    both.write_text("".join(texts))
    assert bridge("config", "check", "--config", str(both)).returncode == 0
    bare = bridge("config", "check", "--config", str(resource("config", "bridge.toml")))
    assert bare.returncode == 4
    assert "there are no routes" in bare.stdout


def test_check_lists_everything_that_is_wrong_at_once(config: Path, tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "bad.avsc").write_text('{"type": "canary"}')
    (tmp_path / "schemas" / "good.avsc").write_text('"string"')
    config.write_text(
        "schemas = 'schemas'\n[kafka.properties]\nacks = '1'\n'linger.ms' = 'x'\n[relay]\nlease_seconds = 0\n"
        + ROUTE.format("a", "t", "good")
        + ROUTE.format("a", "t", "gone")
        + ROUTE.format("b", "t", "bad")
    )
    done = bridge("config", "check", "--config", str(config), BRIDGE_DATBASE_URL=CANARY, BRIDGE_DATABASE_URL="a b")
    assert done.returncode == 4
    lines = done.stdout.replace(f"{tmp_path}/", "").splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        *(f"bridge.toml:{line}" for line in (3, 4, 6, 12, 14, 18)),
        "BRIDGE_DATBASE_URL",
        "BRIDGE_DATABASE_URL",
    ]
    assert "already, at bridge.toml:8" in lines[3]
    assert "there is no gone.avsc in" in lines[4]
    assert "bad.avsc is not valid Avro" in lines[5]
    assert done.stderr == "bridge: 8 mistakes in the configuration\n"
    as_json = bridge("config", "check", "--json", "--config", str(config))
    assert as_json.returncode == 4
    found = data_of(as_json.stdout)
    assert found["ok"] is False
    assert found["mistakes"][0] == {
        "setting": "kafka.properties.acks",
        "origin": f"{config}:3",
        "message": "kafka.properties must not set 'acks': exactly once needs every in-sync replica's answer",
        "hint": None,
    }


@pytest.mark.parametrize("content", [None, b"\xff", b"[relay"])
def test_check_says_in_json_too_that_there_is_no_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bridge.toml"
    if content is not None:
        path.write_bytes(content)
    done = bridge("config", "check", "--json", "--config", str(path))
    assert done.returncode == 4
    (mistake,) = data_of(done.stdout)["mistakes"]
    assert mistake["origin"].startswith(str(path))


def test_show_is_toml_with_origins_and_without_secrets(config: Path, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{CANARY}\n")
    config.write_text("[relay]\nbatch_rows = 7\n[kafka.properties]\n'sasl.mechanism' = 'PLAIN'\n" + config.read_text())
    environment = {
        "BRIDGE_DATABASE_URL": f"postgresql://us:{CANARY}@host:5/db?sslpassword={CANARY}&sslmode=verify-full",
        "BRIDGE_REGISTRY_URL": f"https://us:{CANARY}@host",
        "BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD_FILE": str(secret),
        "BRIDGE_KAFKA_PROPERTIES_SASL_USERNAME": "someone",
        "BRIDGE_RELAY_NAME": "mine",
    }
    text = bridge("config", "show", "--config", str(config), **environment)
    assert (text.returncode, text.stderr) == (0, "")
    document = tomllib.loads(text.stdout)
    assert document["relay"]["batch_rows"] == 7
    assert document["kafka"]["properties"] == {
        "sasl.mechanism": "PLAIN",
        "sasl.password": "***",
        "sasl.username": "someone",
    }
    assert "host=host" in document["database"]["url"]
    assert document["registry"]["url"] == "https://host"
    assert document["routes"] == [{"event_type": "a", "topic": "t", "subject": SUBJECT}]
    as_json = bridge("config", "show", "--json", "--config", str(config), **environment)
    shown = {setting["setting"]: setting for setting in data_of(as_json.stdout)["settings"]}
    origins = {
        "relay.batch_rows": f"{config}:2",
        "relay.batch_bytes": "default",
        "relay.name": "BRIDGE_RELAY_NAME",
        "kafka.properties.sasl.mechanism": f"{config}:4",
        "kafka.properties.sasl.password": "BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD_FILE",
        "registry.password": "BRIDGE_REGISTRY_URL",
        "routes.0.topic": f"{config}:7",
    }
    assert {name: shown[name]["origin"] for name in origins} == origins
    assert CANARY not in text.stdout + as_json.stdout


def test_show_refuses_what_is_wrong(config: Path) -> None:
    done = bridge("config", "show", "--config", str(config), BRIDGE_RELAY_BATCH_ROWS="0")
    assert (done.returncode, done.stdout) == (4, "")
    assert "BRIDGE_RELAY_BATCH_ROWS: relay.batch_rows must be from 1 to 100000" in done.stderr


@pytest.mark.parametrize("command", EVERYTHING, ids=" ".join)
def test_every_command_refuses_a_wrong_configuration(config: Path, command: list[str]) -> None:
    done = bridge(*command, "--config", str(config), BRIDGE_DATBASE_URL=CANARY)
    assert done.returncode == 4
    assert done.stderr.startswith("bridge: BRIDGE_DATBASE_URL: there is no such setting")
    assert done.stderr.count("\n") == 1
    assert CANARY not in done.stderr


@pytest.mark.parametrize("command", ["run", "verify", "recover"])
def test_nothing_is_carried_or_judged_without_routes(command: str) -> None:
    done = bridge(command)
    assert done.returncode == 4
    assert done.stderr.startswith("bridge: without --config: there are no routes, so nothing says to which topic")
    assert str(resource("config", "bridge.toml")) in done.stderr


LEAKS = {
    "an unescaped slash": {"BRIDGE_DATABASE_URL": f"postgresql://us:{CANARY}/x@127.0.0.1:1/db"},
    "an unescaped slash, first": {"BRIDGE_DATABASE_URL": f"postgresql://us:x/{CANARY}@127.0.0.1:1/db"},
    "an unescaped @": {"BRIDGE_DATABASE_URL": f"postgresql://us:x@{CANARY}@127.0.0.1:1/db"},
    "an unescaped colon and question mark": {"BRIDGE_DATABASE_URL": f"postgresql://us:x?{CANARY}:y@127.0.0.1:1/db"},
    "a wrong escape": {"BRIDGE_DATABASE_URL": f"postgresql://us:%zz{CANARY}@127.0.0.1:1/db"},
    "no host": {"BRIDGE_DATABASE_URL": f"postgresql://us:{CANARY}"},
    "a space": {"BRIDGE_DATABASE_URL": f"host=127.0.0.1 port=1 password=x {CANARY}"},
    "a quote": {"BRIDGE_DATABASE_URL": f"host=127.0.0.1 port=1 password='x'{CANARY}"},
    "another scheme": {"BRIDGE_DATABASE_URL": f"mysql://us:{CANARY}@127.0.0.1:1/db"},
    "nothing wrong": {"BRIDGE_DATABASE_URL": f"postgresql://us:{CANARY}@127.0.0.1:1/db?sslpassword={CANARY}"},
    "keywords": {"BRIDGE_DATABASE_URL": f"host=127.0.0.1 port=1 password='{CANARY} / @'"},
    "the registry's": {"BRIDGE_REGISTRY_URL": f"http://us:{CANARY}/x@127.0.0.1:1"},
    "a property": {"BRIDGE_KAFKA_PROPERTIES_SASL_JAAS_CONFIG": CANARY},
    "a property's name": {"BRIDGE_KAFKA_PROPERTIES_SASL_PASSWRD": CANARY},
}


@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_is_printed(config: Path, leak: str) -> None:
    """Whatever is wrong with a secret: it is refused, or the server is away, and neither repeats it."""
    environment = LEAKS[leak]
    for command in (["run", "--wait-seconds", "0", "--verbose"], ["config", "check"], ["config", "show"]):
        done = bridge(*command, "--config", str(config), **environment)
        assert CANARY not in done.stdout + done.stderr, command


def test_no_secret_of_the_command_line_is_printed() -> None:
    done = bridge("migrate", "--database-url", f"postgresql://us:{CANARY}/x@127.0.0.1:1/db")
    assert done.returncode == 4
    assert "has an '@' that is not percent-encoded" in done.stderr
    assert CANARY not in done.stderr


def test_a_database_elsewhere_must_prove_who_it_is(config: Path) -> None:
    """By `config check`, and by what would connect; or the option is spelled out."""
    url = {"BRIDGE_DATABASE_URL": f"postgresql://us:{CANARY}@db.invalid/db?sslmode=require"}
    for command in (["config", "check"], ["run"], ["status"], ["migrate"], ["dead", "list"], ["doctor"]):
        done = bridge(*command, "--config", str(config), **url)
        said = done.stdout + done.stderr
        assert done.returncode == (1 if command == ["doctor"] else 4), said
        assert "db.invalid, not on this machine, would be encrypted, but whoever answers would be believed" in said
        assert "sslmode=verify-full" in said
        assert "BRIDGE_DATABASE_ALLOW_INSECURE=true" in said
        assert CANARY not in said
    given = ["--database-url", "postgresql://us@db.invalid/db?sslmode=require"]
    assert bridge("migrate", *given).returncode == 4
    allowed = bridge("config", "check", "--config", str(config), **url, BRIDGE_DATABASE_ALLOW_INSECURE="true")
    assert allowed.returncode == 0
