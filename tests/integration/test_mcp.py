"""`bridge mcp` over real stdio with the SDK's own client: it answers, and whatever it is asked, nothing changes."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from fix_relay import Site

from bridge.admin.bounded import MOST_CHARACTERS, bounded
from bridge.admin.questions import Questions
from bridge.admin.read_only import read_only, with_read_only_sessions
from bridge.cli.mcp import server
from bridge.configuration.load import read
from bridge.errors import BridgeError, DatabaseRefuses
from bridge.postgres.connection import connect
from bridge.telemetry.address import Address
from bridge.telemetry.pages import HEALTH, Answer
from bridge.telemetry.server import HttpServer

pytest.importorskip("mcp")
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

CANARY = "canary-8471"
EVIL = [
    "'; drop table bridge.outbox; --",
    "x') or true; update bridge.shard set generation = 0; select ('",
    "set transaction read write; delete from bridge.parked",
    "..\\../\0\ud7ff\u202e\n%s %(name)s {} --config=/etc/passwd $(touch x)",
    "a" * 100_000,
]
TOOLS = {
    "status": [{}],
    "dead_list": [{}, {"most": 10**12}, {"most": -1}, *({"died_of": evil} for evil in EVIL)]
    + [{"event_type": evil, "topic": evil} for evil in EVIL],
    "dead_show": [{"event_id": str(uuid4())}, *({"event_id": evil} for evil in EVIL)],
    "trace": [{"event_id": str(uuid4())}, *({"event_id": evil} for evil in EVIL)],
    "route": [{"name": "thing.changed"}, {"name": str(uuid4())}, *({"name": evil} for evil in EVIL)],
    "tracked": [{}],
    "health": [{}],
    "schema_check": [{}],
    "doctor": [{}],
}
ROLE = """
    create role {name} login nosuperuser password 'asks';
    grant pg_read_all_data to {name};
    grant execute on all functions in schema bridge to {name}
"""


def everything(site: Site) -> dict[str, Any]:
    """All rows of the database, and all that the topics hold."""
    found: dict[str, Any] = {}
    with site.connect() as db:
        names = db.execute(
            "select oid::regclass::text from pg_class where relkind in ('r', 'S', 'm')"
            " and relnamespace::regnamespace::text in ('bridge', 'crm', 'public')"
        ).fetchall()
        for (name,) in names:
            found[name] = sorted(map(repr, db.execute(f"select * from {name}").fetchall()))
    servers = {"bootstrap.servers": site.settings.kafka.bootstrap_servers}
    topics = AdminClient(servers).list_topics(timeout=30).topics
    with closing(Consumer({**servers, "group.id": site.name})) as consumer:
        for name in [name for name in topics if name.startswith(site.name)]:
            places = [TopicPartition(name, number) for number in topics[name].partitions]
            found[f"topic {name}"] = [consumer.get_watermark_offsets(place, timeout=30) for place in places]
    return found


async def ask_all(
    site: Site, url: str, tools: dict[str, list[dict[str, Any]]]
) -> dict[str, list[tuple[dict[str, Any], bool, str]]]:
    """Every tool with every argument: whether that was refused, and what it said."""
    environment = {**os.environ, "BRIDGE_CONFIG": str(site.config), "BRIDGE_DATABASE_URL": url}
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "bridge", "mcp", "--http", "127.0.0.1:1"], env=environment
    )
    answers: dict[str, list[tuple[dict[str, Any], bool, str]]] = {}
    with (site.config.parent / "mcp.log").open("w") as log:
        async with Client(stdio_client(parameters, log)) as client:
            there = (await client.list_tools()).tools
            assert {tool.name for tool in there} == tools.keys()
            for tool in there:
                assert tool.description
                assert tool.annotations is not None
                assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (True, False)
                for arguments in tools[tool.name]:
                    told = await client.call_tool(tool.name, arguments)
                    text = "".join(getattr(part, "text", "") for part in told.content)
                    answers.setdefault(tool.name, []).append((arguments, bool(told.is_error), text))
    return answers


def test_it_answers_and_changes_nothing(site: Site) -> None:
    with site.connect() as db:
        publish = "select bridge.publish_event(%s, %s, %s)"
        db.execute(publish, ("thing.changed", "good", '{"n": 1}'))
        id_ = db.execute(publish, ("thing.changed", f"{CANARY}-key", json.dumps({"n": CANARY}))).fetchone()
        assert id_ is not None
        db.execute("create table public.orders (id int primary key, card text)")
        db.execute("select bridge.enable_tracking('public.orders', mask => '{card}')")
        role = f"asks_{site.name.replace('-', '_').replace('.', '_')}"
        db.execute(ROLE.format(name=role))
    try:
        site.drain()
        tools = TOOLS | {"dead_show": [*TOOLS["dead_show"], {"event_id": str(id_[0])}]}
        tools |= {"route": [*TOOLS["route"], {"name": str(id_[0])}]}
        tools |= {"trace": [*TOOLS["trace"], {"event_id": str(id_[0])}]}
        few = {name: [arguments[0], arguments[-1]] for name, arguments in tools.items()}
        before = everything(site)
        owner = anyio.run(ask_all, site, site.settings.database.url, tools)
        url = urlsplit(site.settings.database.url)
        reader = anyio.run(
            ask_all, site, url._replace(netloc=f"{role}:asks@{url.netloc.rpartition('@')[2]}").geturl(), few
        )
        assert everything(site) == before
    finally:
        with site.connect() as db:
            db.execute(f"drop owned by {role}")
            db.execute(f"drop role {role}")
    said = (site.config.parent / "mcp.log").read_text()
    assert CANARY not in said + json.dumps([owner, reader])
    for answers in (owner, reader):
        for name, of_one in answers.items():
            for arguments, is_error, text in of_one:
                assert len(text) <= MOST_CHARACTERS + 1000, name
                assert "unforeseen" not in text, (name, arguments, text)
                assert is_error or json.loads(text) is not None
        assert {name for name, of_one in answers.items() if of_one[0][1]} == {"dead_show", "health"}
        # Asked first for no dead event, and where no relay serves its health.
        assert "no relay tells its health" in answers["health"][0][2]
        (_, is_error, text) = answers["dead_show"][-1]
        shown = json.loads(text)
        assert (is_error, shown["field"], shown["event"]["topic"]) == (False, "$.n", f"{site.name}.things")
        (listed,) = json.loads(answers["dead_list"][0][2])["events"]
        assert listed["event_id"] == str(id_[0])
        masked = {table["relation"]: table["masked"] for table in json.loads(answers["tracked"][0][2])["tables"]}
        assert masked["public.orders"] == ["card"]
        assert json.loads(answers["route"][-1][2])["status"] == "DEAD"
        assert len(json.loads(answers["status"][0][2])["shards"]) >= 1


def test_even_its_owners_sessions_may_not_write(site: Site) -> None:
    """Those for its own questions, and any that what it calls opens by the URL."""
    write = "insert into bridge.event_queue (event_type, payload) values ('x', '{}')"
    with pytest.raises(DatabaseRefuses), read_only(site.settings, "bridge mcp") as conn:
        conn.execute(write)
    with connect(with_read_only_sessions(read(site.config, {})).settings.database.url) as conn:
        for statement in (write, "select nextval('bridge.event_seq')"):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                conn.execute(statement)


def test_health_is_that_of_a_relay(site: Site) -> None:
    served = HttpServer(
        Address("127.0.0.1", 0), {HEALTH: lambda _: Answer(503, "application/json", b'{"verdict": "stuck"}')}
    )
    served.start()
    try:
        questions = {ask.__name__: ask for ask in Questions(read(site.config, {}), served.address).all()}
        assert json.loads(questions["health"]()) == {"verdict": "stuck"}
    finally:
        served.close()


def test_its_sdk_is_an_extra(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    with pytest.raises(BridgeError, match=r"pip install 'bridge-cdc\[mcp\]'"):
        server(Questions(read(site.config), Address("127.0.0.1", 1)))


def test_an_answer_is_bounded() -> None:
    long = {"a": "b" * 5000, "many": [{"text": "c" * 900}] * 5000}
    found = json.loads(bounded(long))
    assert len(json.dumps(found)) <= MOST_CHARACTERS
    assert found["a"].endswith("... (5000 characters)")
    assert found["many"][-1] == {"left_out": 4950}
    with pytest.raises(BridgeError, match="too long"):
        bounded({str(number): "d" * 900 for number in range(100)})
