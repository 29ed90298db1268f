"""Writers that do what applications do, and keep their own account: every event carries its key's running number.

A key's number is counted in the writer's own transaction under the key's row lock. So per key a consumer must find 1,
2, 3, ... without a gap, whatever the relay's own numbers and ids say. The counters' table is tracked, too, and the same
holds for its change history.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import psycopg

KEYS = 200
SET_UP = """
create table public.counter (key text primary key, n bigint not null, note text);
insert into public.counter select 'k' || g, 0 from generate_series(0, {last}) as g;
select bridge.enable_tracking('public.counter');
"""
# A number for each key, and its event; ordered, or two writers could wait for each other's rows.
WRITE = """
with locked as (select key from public.counter where key = any(%(keys)s) order by key for update),
     counted as (update public.counter as c set n = n + 1, note = %(note)s from locked as l where c.key = l.key
                 returning c.key, c.n)
select count(bridge.publish_event('thing.changed', key, jsonb_build_object('n', n, 'text', %(note)s::text)))
  from counted
"""
MINE = "select key, n from public.counter where xmin = pg_current_xact_id()::xid"
COUNT = "update public.counter set n = n + 1 where key = %s returning n"


class Writer(threading.Thread):
    """One application connection, until `ending` is set. `committed` counts transactions by kind."""

    def __init__(self, url: str, seed: int, pause_seconds: float) -> None:
        super().__init__(name=f"writer {seed}")
        self.ending = threading.Event()
        self.committed: Counter[str] = Counter()
        self.told: Counter[str] = Counter()  # the highest number of each key whose commit was confirmed
        self.failure: Exception | None = None
        self._url, self._random, self._pause = url, random.Random(seed), pause_seconds
        self._prepared: str | None = None
        self._kinds: list[tuple[Callable[[psycopg.Connection], bool], float]] = [
            (self.short, 75), (self.large, 0.3), (self.bulk, 0.5), (self.copied, 2), (self.long, 0.7),
            (self.rolled_back, 8), (self.half_rolled_back, 6), (self.prepared, 2), (self.prepared_and_rolled_back, 1),
        ]  # fmt: skip

    def run(self) -> None:
        while not self.ending.is_set() or self._prepared:
            try:
                with psycopg.connect(self._url, connect_timeout=5) as db:
                    self._finish_prepared(db)
                    while not self.ending.wait(self._random.uniform(0, 2 * self._pause)):
                        self._transact(db)
            except psycopg.OperationalError:  # the server is away; what it was told last may have happened or not
                self.ending.wait(0.1)
            except Exception as error:
                self.failure = error
                raise

    def _transact(self, db: psycopg.Connection) -> None:
        kinds, weights = zip(*self._kinds, strict=True)
        kind = self._random.choices(kinds, weights)[0]
        if not kind(db):
            db.rollback()
            return
        mine = db.execute(MINE).fetchall()
        db.commit()
        self._was_told(kind.__name__, mine)

    def _was_told(self, kind: str, numbers: list[tuple[str, int]]) -> None:
        self.committed[kind] += 1
        for key, n in numbers:
            self.told[key] = max(self.told[key], n)

    def _write(self, db: psycopg.Connection, count: int, note: str = "") -> None:
        keys = [f"k{number}" for number in self._random.sample(range(KEYS), count)]
        db.execute(WRITE, {"keys": keys, "note": note})

    # Each kind returns whether to commit.

    def short(self, db: psycopg.Connection) -> bool:
        self._write(db, self._random.choice((1, 1, 1, 2, 5)))
        return True

    def large(self, db: psycopg.Connection) -> bool:
        self._write(db, 1, note="x" * self._random.randrange(20_000, 200_000))
        return True

    def bulk(self, db: psycopg.Connection) -> bool:
        self._write(db, KEYS)
        return True

    def copied(self, db: psycopg.Connection) -> bool:
        keys = sorted(f"k{number}" for number in self._random.sample(range(KEYS), 10))
        rows = [(key, db.execute(COUNT, (key,)).fetchone()[0]) for key in keys]
        with db.cursor().copy("copy bridge.event_queue (event_type, event_key, payload) from stdin") as copy:
            for key, n in rows:
                copy.write_row(("thing.changed", key, f'{{"n": {n}}}'))
        return True

    def long(self, db: psycopg.Connection) -> bool:
        self._write(db, 1)
        self.ending.wait(self._random.uniform(1, 8))
        return True

    def rolled_back(self, db: psycopg.Connection) -> bool:
        self._write(db, 3)
        return False

    def half_rolled_back(self, db: psycopg.Connection) -> bool:
        self._write(db, 1)
        with db.transaction(force_rollback=True):  # a savepoint
            self._write(db, 1)
        return True

    def prepared(self, db: psycopg.Connection) -> bool:
        """Two phases; between them the server may restart, and the transaction must be found again."""
        self._write(db, 1)
        mine = db.execute(MINE).fetchall()
        self._prepare(db, "commit")
        self.ending.wait(self._random.uniform(0, 2))
        self._finish_prepared(db)
        self._was_told("prepared", mine)
        return False

    def prepared_and_rolled_back(self, db: psycopg.Connection) -> bool:
        self._write(db, 2)
        self._prepare(db, "rollback")
        self._finish_prepared(db)
        return False

    def _prepare(self, db: psycopg.Connection, outcome: str) -> None:
        self._prepared = f"{outcome} of {self.name} {self._random.getrandbits(40)}"
        db.execute(f"prepare transaction '{self._prepared}'")
        db.commit()

    def _finish_prepared(self, db: psycopg.Connection) -> None:
        if self._prepared is None:
            return
        known = db.execute("select 1 from pg_prepared_xacts where gid = %s", (self._prepared,)).fetchone()
        db.rollback()
        if known:
            db.autocommit = True
            db.execute(f"{self._prepared.split()[0]} prepared '{self._prepared}'")
            db.autocommit = False
        self._prepared = None
