"""Secrets that each command is given, and each failure happens to, are found nowhere: not in what is printed, logged,
written, shown, told to the servers or seen of a process.

Each secret holds a word that any form of it has: percent-encoded, quoted, escaped. Base64 of it is looked for, too.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from command_tree import COMMANDS
from fix_relay import Site, eventually
from ports import free_port
from psycopg import sql

from bridge.configuration.environment import variable_of
from bridge.configuration.knobs import knobs
from bridge.local.stack import Stack

NAMES = ("database", "kafka", "registry", "token", "s3", "otel", "wrong", "typo", "passphrase", "other")
WORDS = {name: f"qx7{name}{secrets.token_hex(6)}" for name in NAMES}
SECRETS = {name: f"S3/@:%\"' {word}\\+" for name, word in WORDS.items()}
NOWHERE = "127.0.0.1:1"
KNOWN = ("database.url", "registry.url", "registry.password")  # secret knobs that have a value of their own below
SOME = ("status", "config show", "doctor", "tail", "run")
WORKS = ("config", "dead list", "erase", "maintain", "recover", "replay", "run", "schema", "status", "tail", "verify")
Line = tuple[list[str], dict[str, str]]
ALL = ("--from", "2000-01-01", "--to", "2100-01-01")


def forms(word: str) -> set[bytes]:
    """A word as it is, and what base64 makes of it at each of three places."""
    shifted = (base64.b64encode(b"\0" * shift + word.encode())[4 if shift else 0 : -4] for shift in range(3))
    return {word.encode(), *shifted, word.encode().hex().encode()}


def found_in(content: bytes) -> list[str]:
    return [name for name, word in WORDS.items() if any(form in content for form in forms(word))]


def below(directory: Path) -> dict[str, list[str]]:
    """The files of a directory in which a secret is, and which."""
    files = (file for file in directory.rglob("*") if file.is_file())
    return {str(file): names for file in files if (names := found_in(file.read_bytes()))}


@pytest.fixture
def role(site: Site) -> Iterator[str]:
    """A role whose password is a secret."""
    name = sql.Identifier(f"{site.name}_canary")
    with site.connect() as db:
        password = sql.Literal(SECRETS["database"])
        db.execute("set log_min_error_statement = panic")
        db.execute(sql.SQL("create role {} login superuser password {}").format(name, password))
    yield f"{site.name}_canary"
    with site.connect() as db:
        db.execute(sql.SQL("reassign owned by {} to session_user").format(name))
        db.execute(sql.SQL("drop role {}").format(name))


@pytest.fixture
def environ(site: Site, role: str, tmp_path: Path) -> dict[str, str]:
    """Of commands that have all secrets, and servers that work."""
    home = tmp_path / "home"
    home.mkdir()
    at = site.settings.database.url.rpartition("@")[2]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(home),
        "TMPDIR": str(home),
        "BRIDGE_CONFIG": str(site.config),
        "BRIDGE_DATABASE_URL": f"postgresql://{role}:{quote(SECRETS['database'], safe='')}@{at}",
        "BRIDGE_KAFKA_PROPERTIES_SASL_USERNAME": "us",
        "BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD": SECRETS["kafka"],
        "BRIDGE_KAFKA_PROPERTIES_SSL_KEY_PASSWORD": SECRETS["passphrase"],
        "BRIDGE_REGISTRY_USERNAME": "us",
        "BRIDGE_REGISTRY_PASSWORD": SECRETS["registry"],
        "BRIDGE_WEB_TOKEN": SECRETS["token"],
        "AWS_ACCESS_KEY_ID": "us",
        "AWS_SECRET_ACCESS_KEY": SECRETS["s3"],
        "AWS_ENDPOINT_URL": f"http://{NOWHERE}",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{NOWHERE}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {WORDS['otel']}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }


def lines(site: Site, output: Path) -> dict[str, list[list[str]]]:
    """What each command is given, in an order in which it can be done."""
    topic, event = site.topics[0], "01a21d71-bf60-7c1f-ad35-146386d29779"
    return {
        "run": [["--until-empty", "--verbose", "--wait-seconds", "0"]],  # with JSON: relay_is_watched
        "archive export": [["bridge.outbox_nowhere", "--to", f"s3://us:{quote(SECRETS['s3'], safe='')}@bucket/x"]],
        "archive list": [[]],
        "archive restore": [["s3://bucket/x/manifest.json"]],
        "archive verify": [["s3://bucket/x"]],
        "bench": [["--only", "drain", "--events", "1000", "--rounds", "0"]],
        "completion": [["bash"]],
        "config check": [[]],
        "config show": [[], ["--json"]],
        "dead export": [["--all", str(output / "dead.jsonl")]],
        "dead list": [[], ["--json"]],
        "dead retry": [["--all", "--dry-run"]],
        "dead show": [[event]],
        "dead skip": [["--all", "--yes", "--reason", "test"]],
        "demo": [["--events", "0"]],
        "docs asyncapi": [[]],
        "docs markdown": [[]],
        "doctor": [["--json"]],
        "erase": [["k1", "--yes", "--reason", "test"]],
        "health": [["--http", NOWHERE]],
        "local down": [["--dir", str(output)]],
        "grants": [[], ["--json"]],
        "local env": [["--dir", str(output)]],
        "local psql": [["--dir", str(output)]],  # there are no servers there, or psql would take this one's place
        "local status": [["--dir", str(output)]],
        "local up": [["--dir", str(site.config.parent)]],
        "maintain": [["--once", "--log-format", "json"]],
        "mcp": [[]],
        "migrate": [[], ["--database-url", f"postgresql://us:{quote(SECRETS['wrong'], safe='')}@{NOWHERE}/x"]],
        "partition": [["bridge.history", "--expiry", "files", "--to", f"s3://us:{WORDS['s3']}@bucket/x"]],
        "recover": [["--yes"]],
        "replay": [[*ALL, "--reason", "test"]],
        "route": [["thing.changed"]],
        "schema apply": [[]],
        "schema check": [[]],
        "schema diff": [[]],
        "schema generate": [["public.canary"]],
        "schema plan": [["--json"]],
        "schema pull": [["--force"]],
        "status": [["--json"]],
        "tail": [[topic, "--from-beginning", "--exit-on-end", "--json"]],
        "top": [["--looks", "1"]],
        "trace": [[event]],
        "track": [["public.canary"]],
        "tracked": [[]],
        "snapshot": [["public.canary"]],
        "untrack": [["public.canary"]],
        "verify": [[]],
        "wait": [["--for", "empty", "--timeout", "0.1"]],
        "web": [["--http", "127.0.0.1:0", "--allow-actions"]],
    }


def chosen(site: Site, output: Path, *names: str, **environ: str) -> list[Line]:
    """The lines of some commands, or of all, with what their environment has beside."""
    table = lines(site, output)
    assert table.keys() == COMMANDS.keys(), "give each command a line here"
    return [([*name.split(), *more], environ) for name in names or table for more in table[name]]


def drive(given: list[Line], environ: Mapping[str, str], output: Path, broken: str = "") -> list[tuple[str, int]]:
    """Run them, whose output goes into `output`; what they were, and their exit codes."""
    codes = output.parent / "codes.json"
    with (output / "stdout").open("wb") as stdout, (output / "stderr").open("wb") as stderr:
        subprocess.run(
            [sys.executable, str(Path(__file__).parents[1] / "drive.py")],
            input=json.dumps({"lines": given, "codes": str(codes), "broken": broken, "seconds": {"web": 3.0}}).encode(),
            env=environ,
            cwd=output,
            stdout=stdout,
            stderr=stderr,
            timeout=800,
            check=True,
        )
    return [(" ".join(line), code) for (line, _), code in zip(given, json.loads(codes.read_text()), strict=True)]


def test_what_it_looks_for_is_found() -> None:
    for name, secret in SECRETS.items():
        for shown in (
            secret, quote(secret), quote(secret, safe=""), json.dumps(secret), repr(secret),
            base64.b64encode(f"us:{secret}".encode()).decode(), base64.b64encode(f"user:{secret}".encode()).decode(),
            base64.b64encode(f"u:{secret}".encode()).decode(), psycopg.conninfo.make_conninfo(password=secret),
        ):  # fmt: skip
            assert found_in(f"a {shown} b".encode()) == [name], shown


@pytest.mark.timeout(900)  # the machine may be busy
def test_secrets_are_found_nowhere(site: Site, environ: dict[str, str], stack: Stack, tmp_path: Path) -> None:
    with site.connect() as db:
        db.execute("create table public.canary (id int primary key)")
    site.publish(20)
    output, at = tmp_path / "output", site.settings.database.url.rpartition("@")[2]
    output.mkdir()
    well = chosen(site, output)
    away = {
        "BRIDGE_DATABASE_URL": f"postgresql://us:{quote(SECRETS['database'], safe='')}@{NOWHERE}/x",
        "BRIDGE_KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "BRIDGE_REGISTRY_URL": f"http://{NOWHERE}",
    }
    refused = {
        "BRIDGE_DATABASE_URL": f"postgresql://{site.name}_canary:{WORDS['wrong']}@{at}",
        "BRIDGE_KAFKA_PROPERTIES_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "BRIDGE_KAFKA_PROPERTIES_SASL_MECHANISM": "PLAIN",
        "BRIDGE_KAFKA_PROPERTIES_DEBUG": "all",
    }
    others = [name for name, knob in knobs().items() if knob.is_secret and name not in KNOWN]
    none = {"BRIDGE_REGISTRY_USERNAME": "", "BRIDGE_REGISTRY_PASSWORD": ""}  # beside which a token has no meaning
    wrong = (
        {"BRIDGE_DATABASE_URL": f"postgresql://us:{SECRETS['wrong']}@{NOWHERE}/x"},
        {"BRIDGE_DATABASE_URL": f"host={NOWHERE} pasword='{WORDS['wrong']}'"},
        {"BRIDGE_REGISTRY_URL": f"http://us:{SECRETS['wrong']}@{NOWHERE}"},
        {"BRIDGE_KAFKA_PROPERTIES_SASL_PASWORD": SECRETS["typo"]},
        {"BRIDGE_REGISTRY_PASSWORD": f"{SECRETS['wrong']}\n"},
    )
    given = [*well, *chosen(site, output, **away), *chosen(site, output, *SOME, **refused)]
    for name in others:
        given += chosen(site, output, *SOME, **{variable_of(name): SECRETS["other"]}, **none)
    given += [line for one in wrong for line in chosen(site, output, "status", "config show", "config check", **one)]
    codes = drive(given, environ, output)
    assert {line for line, code in codes[: len(well)] if code and line.startswith(WORKS)} == set()
    assert {code for line, code in codes[len(well) :] if line == "status --json"} >= {3, 4}

    broken = tmp_path / "broken"
    broken.mkdir()
    assert ("status --json", 1) in drive(chosen(site, broken, *SOME), environ, broken, broken="it was given")
    relay_is_watched(site, environ, tmp_path / "watched")
    assert below(tmp_path) == {}
    assert {log.name: found for log in stack.directory.glob("*.log") if (found := found_in(log.read_bytes()))} == {}
    assert told_to_postgres(site) == []


TABLES = """select oid::regclass::text from pg_class
             where relkind in ('r', 'p') and relnamespace = 'bridge'::regnamespace"""


def told_to_postgres(site: Site) -> list[str]:
    """Secrets in what bridge has written to the database, and in what others see of its sessions."""
    with site.connect() as db:
        tables = db.execute(TABLES).fetchall()
        rows = [
            db.execute(sql.SQL("select r::text from {} as r").format(sql.SQL(name))).fetchall() for (name,) in tables
        ]
        sessions = db.execute("select a::text from pg_stat_activity as a").fetchall()
    return found_in(f"{rows} {sessions}".encode())


def relay_is_watched(site: Site, environ: Mapping[str, str], output: Path) -> None:
    """A relay with workers, while it carries: its pages, its processes, its sessions."""
    output.mkdir()
    port = free_port()
    log = (output / "log").open("wb")
    arguments = ["run", "--workers", "2", "--http", f"127.0.0.1:{port}", "--verbose", "--log-format", "json"]
    with log, subprocess.Popen([sys.executable, "-m", "bridge", *arguments], env=environ, stderr=log) as relay:
        try:
            site.publish(20)
            eventually(lambda: site.pending() == 0)
            for page in ("metrics", "healthz", "readyz", "livez", "", "data.json"):
                (output / f"page-{page}").write_bytes(eventually(lambda page=page: fetched(port, page)))
            children = Path(f"/proc/{relay.pid}/task/{relay.pid}/children").read_text().split()
            assert len(children) == 2
            for pid in (relay.pid, *children):
                (output / f"cmdline-{pid}").write_bytes(Path(f"/proc/{pid}/cmdline").read_bytes())
            assert told_to_postgres(site) == []
        finally:
            relay.terminate()
            assert relay.wait(60) == 0


def fetched(port: int, page: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", f"/{page}")
        answer = connection.getresponse()
        return answer.read() if answer.status in (200, 404, 503) else b""
    except OSError:
        return b""
    finally:
        connection.close()
