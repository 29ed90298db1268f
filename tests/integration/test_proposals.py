"""What `bridge completion` has from the database."""

from __future__ import annotations

import psycopg
import pytest
from click.shell_completion import BashComplete

from bridge.cli.ending import COMPLETION
from bridge.cli.main import cli

DEAD = """
insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, deaths, reason)
select seq, 'event_queue', id, created_at, shard, 't', 1, 'dead', true, 1, 'it does not fit' from bridge.event_queue
"""


def test_tracked_tables_and_types_of_dead_events(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", database)
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    monkeypatch.setattr("bridge.cli.completion.SECONDS", 60)

    def propose(*words: str) -> list[str]:
        shell = BashComplete(cli, {}, "bridge", COMPLETION)
        return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]

    with psycopg.connect(database, autocommit=True) as db:
        for name in ("public.orders", 'public."$(touch x)"'):
            db.execute(f"create table {name} (id integer primary key)".encode())
            db.execute("select bridge.enable_tracking(%s)", (name,))
        db.execute("select bridge.publish_event('order.paid', 'k', '{}'), bridge.publish_event('x; y', 'k', '{}')")
        db.execute(DEAD)
    for command in (["untrack"], ["snapshot"], ["verify", "--capture"], ["schema", "generate"]):
        assert propose(*command, "public.") == ["public.orders"]
    assert propose("dead", "list", "--type", "") == ["order.paid"]
