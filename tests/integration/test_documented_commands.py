"""What the documents tell people to type is typed, in the order of the pages; or it stands below why not."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
from command_tree import is_ours
from documents import DOCUMENTS, blocks, commands
from fix_command import Run
from fix_relay import Site

TYPED_ELSEWHERE = {
    "docs/first-steps.md": "tests/integration/test_walkthrough.py types all of it",
    "docs/commands.md": "examples of help: tests/unit/test_help.py",
}
SQL_LEFT_OUT = "-- bridge partition bridge.history"  # needs a table of cold files: test_archive.py
PAGES = [
    "docs/events.md", "docs/operations.md", "docs/schemas.md", "docs/command-line.md", "docs/consumers.md",
    "docs/upgrading.md", "README.md", "sql/README.md",
]  # fmt: skip
ENDS_OTHERWISE = {
    "bridge doctor --config bridge.toml": 1,  # no relay is at work
    "bridge doctor --json > ticket.json": 1,
    "bridge trace EVENT_ID": 5,  # it is dead
    "bridge trace --key customer-4711": 5,
}
NOT_TYPED = {  # the beginning of a line: why
    "make ": "takes minutes; CI runs `make test`, and test_demo.py the demonstration",
    "bridge run ": "has no end; each test of a relay runs it",
    "bridge wait --for ready": "waits for relays: test_wait.py",
    "bridge wait --for e": "waits for what a person must decide here: test_wait.py",
    "bridge trace EVENT_ID --topic": "needs an event without a row: test_trace.py",
    "bridge recover": "needs a stopped shard: test_recover.py",
    "bridge replay --resume": "needs a replay that was killed: test_replay_killed.py",
    "bridge partition bridge.history": "needs S3: test_s3.py",
    "bridge archive export": "needs a table partition of some age: test_archive.py",
    "bridge archive restore": "needs cold files: test_archive.py",
    "bridge erase": "destroys what other lines need: test_erase.py",
    "bridge schema check --against": "needs git, or a directory: test_schema_commands.py",
    "bridge schema generate orders --check --out": "a file that its page supposes: typed/test_generate.py",
    "bridge verify --topic crm.": "a topic of the demonstration: test_verify.py",
    'eval "$(bridge completion': "for a shell that is asked for completions: unit/test_completion.py",
    "bridge completion": "the same",
    "pip download": "deploy/test_image.py, with the base's pip",
    "docker ": "needs an engine; deploy/test_compose.py reads what is started",
    "python -m build": "integration/test_wheel.py",
    "bridge grants --role relay --to bridge_relay --config bridge.toml | psql service=owner": "needs an entry of the "
    "owner's: failure/test_grants.py gives it to psql",
    "kubectl ": "needs a cluster; tests/deploy reads what would go there",
    "helm ": "the same",
    "systemctl ": "needs systemd; deploy/test_systemd.py reads the unit",
    "kafka-": "Kafka's own programs, against a transaction that hangs",
}
SCENE = """
    create schema sales;
    create table public.orders (
        id bigint primary key, card_number text, amount numeric(10, 2), placed_at timestamptz, updated_at timestamptz
    );
    create table public.order_lines (id bigint primary key, order_id bigint not null, sku text);
    create table sales.orders (like public.orders including all);
    create table sales.visits (at timestamptz not null, place text) partition by range (at);
    insert into public.orders values (4711, '4242', 12.50, '2026-06-01', '2026-06-01');
    insert into bridge.event_queue (event_type, event_key, payload)
    select 'thing.changed', 'customer-4711', jsonb_build_object('n', n) from unnest('{1,one}'::text[]) as n;
"""
ROUTE = """
[[routes]]
table = "orders"
topic = "{name}.things"
subject = "orders-value"
[[routes]]
event_type = "order.paid"
topic = "{name}.others"
encoding = "json"
"""


@pytest.fixture
def page(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A bridge in whose directory, `bridge.toml` beside, the pages' commands are typed."""
    monkeypatch.chdir(site.config.parent)
    monkeypatch.setenv("BRIDGE_CONFIG", "bridge.toml")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with site.connect() as db:
        db.execute(SCENE.encode())
    return site


def test_each_is_typed_or_it_is_said_why_not() -> None:
    lines = {line for name in DOCUMENTS if name not in {*PAGES, *TYPED_ELSEWHERE} for line in commands(name)}
    typed = {line for name in PAGES for line in commands(name)}
    assert [line for line in lines if not is_left_out(line)] == []
    assert [start for start in NOT_TYPED if not any(line.startswith(start) for line in lines | typed)] == []
    assert set(ENDS_OTHERWISE) <= typed


def is_left_out(line: str) -> bool:
    return line.startswith(tuple(NOT_TYPED))


def test_they_do_what_they_should(page: Site, run: Run) -> None:
    """SQL, too; none of it is kept."""
    assert run("schema", "generate", "public.orders", "--out", "schemas/orders-value.avsc").code == 0
    wrong = []
    page.configure(ROUTE.format(name=page.name))
    for name in PAGES:
        if name == "docs/operations.md":
            page.start("--until-empty").wait(60)
        dead = str(page.scalar("select coalesce(min(event_id::text), '') from bridge.parked where state = 'dead'"))
        for line in commands(name):
            if is_left_out(line):
                continue
            if not line.startswith("bridge "):
                subprocess.run(line, shell=True, check=True, capture_output=True, timeout=60)  # noqa: S602
            else:
                words = takewhile(is_ours, shlex.split(line.replace("EVENT_ID", dead))[1:])
                done = run(*words)
                if done.code != ENDS_OTHERWISE.get(line, 0):
                    wrong.append((name, line, done))
        with page.connect() as db, db.transaction(force_rollback=True):
            db.execute("create role my_application; create role my_autoscaler")  # nobody else sees them
            for block in blocks(name):
                if block.language == "sql" and not block.text.startswith(SQL_LEFT_OUT):
                    db.execute(re.sub(r"(?m)^(begin|commit);$|--.*", "", block.text.replace("EVENT_ID", dead)).encode())
    assert wrong == []
