"""`bridge snapshot` beside writers and a relay, killed at any time: history ends with the table, and so does Kafka."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from fix_relay import Site, beside, eventually, open_site
from psycopg import errors
from roles import Roles

from bridge.admin.verify_capture import verify_capture
from bridge.local.stack import Endpoints

ROWS, WRITERS, KILLS = 8000, 3, 6
FILL = "insert into public.item select (g %% 7)::text, g, 0, 'SECRET' from generate_series(1, %s) as g"
LAST_ROW = "insert into public.item values ('9', 100000, 0, 'SECRET')"  # by its key, and no writer's
LAST_ROW_IS = "select from public.item where b = 100000"
READ = "select count(*), count(distinct entity_id) from bridge.history where action = 'READ' and entity_type = 'item'"
LAST = """
select count(*) filter (where l.new_state is null), count(*) filter (where t.b is null),
       count(*) filter (where l.new_state is distinct from jsonb_build_object(
                                  'a', t.a, 'b', t.b, 'n', t.n, 'pin', '[masked]'))
  from (select distinct on (entity_id) entity_id, new_state from bridge.history
         where entity_type = 'item' order by entity_id, seq desc) as l
  full join public.item as t on jsonb_build_array(t.a, t.b)::text = l.entity_id
 where t.b is not null or l.new_state is not null"""


@pytest.fixture
def other_site(either_version: str, servers: Endpoints, roles: Roles, unique: str, tmp_path: Path) -> Iterator[Site]:
    with open_site(replace(servers, database_url=either_version), unique, tmp_path, roles=roles) as site:
        yield site


def write(site: Site, seed: int, ending: threading.Event) -> None:
    """Changes of single rows and of several, of keys too; some are rolled back, some keep their locks for a while."""
    dice = random.Random(seed)
    with psycopg.connect(site.settings.database.url) as db:
        while not ending.is_set():
            b = dice.randint(1, ROWS + 500)
            statements = {
                "update public.item set n = n + 1 where b = %(b)s": 5,
                "update public.item set n = n + 1 where b between %(b)s and %(b)s + 20": 2,
                "update public.item set pin = 'SECRET ' || n where b = %(b)s": 1,
                "update public.item set a = %(a)s where b = %(b)s": 2,
                "update public.item set b = b where b = %(b)s": 1,
                "delete from public.item where b = %(b)s": 2,
                "insert into public.item values (%(a)s, %(b)s, 1, 'SECRET') on conflict do nothing": 3,
            }
            chosen = dice.choices(list(statements), list(statements.values()), k=dice.randint(1, 4))
            try:
                for statement in chosen:
                    db.execute(statement.encode(), {"a": str(dice.randint(0, 8)), "b": b})
                time.sleep(dice.choice([0, 0, 0, 0.01, 0.3]))
                db.rollback() if dice.random() < 0.1 else db.commit()
            except (errors.DeadlockDetected, errors.UniqueViolation):
                db.rollback()


def snapshot(site: Site, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bridge", "snapshot", "item", "--rows-per-second", "1500", *more]
    environment = {**os.environ, "BRIDGE_CONFIG": str(site.config)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_killed_at_random_places_beside_writers_and_a_relay(other_site: Site) -> None:
    site, ending, dice = other_site, threading.Event(), random.Random(14)
    with site.connect() as db:
        db.execute("create table public.item (a text, b int, n int, pin text, primary key (a, b))")
        db.execute(FILL.encode(), (ROWS,))
        db.execute("select bridge.enable_tracking('public.item', mask => '{pin}')")
        db.execute(LAST_ROW)
    relay = site.start()
    writers = [threading.Thread(target=write, args=(site, seed, ending)) for seed in range(WRITERS)]
    with beside(lambda: [thread.start() for thread in writers] and None, ending):  # type: ignore[func-returns-value]
        with site.connect() as db, db.transaction():
            db.execute(f"{LAST_ROW_IS} for update")  # so that none of those that are killed comes to the end
            for _ in range(KILLS):
                before = min(done(site), ROWS // 2)
                process = snapshot(site)
                eventually(lambda before=before: done(site) > before)
                time.sleep(dice.random() / 3)  # any place of the next chunk
                assert process.poll() is None
                process.kill()
                process.communicate()
        process = snapshot(site)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "Goes on behind the first " in err
    for thread in writers:
        thread.join()
    site.assert_exactly_once(relay)
    with site.connect() as db:
        assert db.execute("select state from bridge.snapshot").fetchall() == [("finished",)]
        assert db.execute(LAST.encode()).fetchone() == (0, 0, 0)
        reads, keys = db.execute(READ.encode()).fetchone() or (0, 0)
        assert reads == keys > ROWS / 2
    verdict = verify_capture(site.settings, ["item"])
    assert verdict.passed, verdict
    assert site.bridge("verify").returncode == 0


def done(site: Site) -> int:
    return int(site.scalar("select coalesce(max(rows_read), 0) from bridge.snapshot"))


def test_it_waits_while_the_backlog_is_long(other_site: Site) -> None:
    site = other_site
    with site.connect() as db:
        db.execute("create table public.item (a text, b int, n int, pin text, primary key (a, b))")
        db.execute(FILL.encode(), (ROWS,))
        db.execute("select bridge.enable_tracking('public.item')")
    process = snapshot(site, "--max-pending", "700")
    eventually(lambda: done(site) > 0)
    assert process.stderr is not None
    assert process.stderr.readline() == "Waits: 700 events or more are still to be published. Is a relay running?\n"
    assert site.pending() < ROWS
    relay = site.start()
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (
        0,
        f"{ROWS:,} rows of public.item were recorded as item, and the relay publishes them\n",
    )
    site.assert_exactly_once(relay)
