"""Writers of hostile rows, by all the ways into the outbox. What the database refuses is theirs to bear."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable

import psycopg
from fuzz import values
from psycopg import sql

MOST_HUGE = 5  # times in a run
PAUSE_SECONDS = 0.1  # between two rows of a writer, at most
PUBLISH = "select bridge.publish_event(%s, %s, %s, %s)::text"
INSERT = """insert into bridge.{name} (shard, event_type, event_key, payload, headers, created_at, available_at)
            select bridge.shard_of(k), t, k, p::jsonb, h::jsonb, coalesce(c::timestamptz, now()),
                   now() + d * interval '1 second'
              from (values (%s, %s, %s, %s, %s, %s)) as v (t, k, p, h, c, d)
            returning id::text"""
HISTORY = """insert into bridge.{name} (entity_type, entity_id, action, new_state, headers, occurred_at)
             values (%s, %s, 'INSERT', %s, %s, coalesce(%s::timestamptz, now())) returning id::text"""
TABLES = ['Ünï "Tåble"', "select", "a:b", "%s", "\x1b[2J", "x" * 63]
COLUMNS = ["id", "r", "new", "Old", "select", 'q"q', "\x1b", "ключ", "state", "key"]


def set_up(db: psycopg.Connection) -> None:
    """Tracked tables with odd names. One that cannot be tracked is left alone."""
    for table in TABLES:
        name, columns = sql.Identifier("public", table), sql.SQL(", ").join(map(sql.Identifier, COLUMNS[1:]))
        kinds = sql.SQL(", ").join(sql.SQL("{} jsonb").format(sql.Identifier(column)) for column in COLUMNS[1:])
        db.execute(sql.SQL("create table {} (id text primary key, {})").format(name, kinds))
        try:
            db.execute("select bridge.enable_tracking(%s::regclass)", (name.as_string(db),))
            db.execute(sql.SQL("insert into {} (id) select 'probe'").format(name))
        except psycopg.Error:
            db.execute(sql.SQL("drop table {}").format(name))
        del columns


def told(inserted: psycopg.Cursor) -> str | None:
    """The id that RETURNING gave; none where the row's time was changed and it went to another table partition."""
    row = inserted.fetchone()
    return row and str(row[0])


class Writer(threading.Thread):
    """One connection, until `ending` is set. `done` counts rows by kind, and `refused` those that were not taken."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(name=f"writer {seed}")
        self.ending = threading.Event()
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.ids: set[str] = set()  # of those events whose commit was confirmed
        self.failure: Exception | None = None
        self._url, self._random = url, random.Random(seed)
        self._kinds: list[tuple[Callable[[psycopg.Connection], str | None], float]] = [
            (self.odd, 40), (self.plain, 15), (self.strange_type, 10), (self.inserted, 15), (self.history, 5),
            (self.tracked, 15), (self.huge, 0.1),
        ]  # fmt: skip

    def run(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as db:
                tables = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
                self._tables = sorted(table for (table,) in db.execute(tables).fetchall())
                while not self.ending.wait(self._random.uniform(0, PAUSE_SECONDS)):
                    self._write(db)
        except Exception as error:
            self.failure = error
            raise

    def _write(self, db: psycopg.Connection) -> None:
        kinds, weights = zip(*self._kinds, strict=True)
        kind = self._random.choices(kinds, weights)[0]
        try:
            id_ = kind(db)
        except (psycopg.Error, ValueError) as error:  # ValueError: psycopg's own, for a NUL
            self.refused[f"{kind.__name__}: {type(error).__name__}"] += 1
            if db.closed:
                raise
            return
        self.done[kind.__name__] += 1
        if id_ is not None:
            self.ids.add(id_)

    def _publish(self, db: psycopg.Connection, event_type: str, payload: str) -> str:
        values_ = (event_type, values.key(self._random), payload, values.headers(self._random))
        return str(db.execute(PUBLISH, values_).fetchone()[0])

    def odd(self, db: psycopg.Connection) -> str:
        """A value in a field of a kind where it may not belong."""
        field = self._random.choice([*values.FIELDS])
        return self._publish(db, f"odd.{field}", values.payload(self._random, field))

    def plain(self, db: psycopg.Connection) -> str:
        good = json.dumps({"n": self._random.randrange(100), "text": values.letters(self._random, 20)})
        return self._publish(db, self._random.choice(["thing.changed", "other.changed"]), good)

    def strange_type(self, db: psycopg.Connection) -> str:
        return self._publish(db, self._random.choice(values.EVENT_TYPES), values.payload(self._random, "n"))

    def inserted(self, db: psycopg.Connection) -> str | None:
        """Past the function, into the table or the view, with times of its own.

        What is due later has its own key: its successors pass it.
        """
        chance = self._random
        delay = chance.choice([0, 3])
        key = f"later {self.done['inserted']} {values.letters(chance, 20)}" if delay else values.key(chance)
        event_type = chance.choice(["thing.changed", "other.changed", "odd.at", *values.EVENT_TYPES])
        time = chance.choice([None, *values.TIMES])
        row = (event_type, key, values.payload(chance, "n"), values.headers(chance), time, delay)
        return told(db.execute(INSERT.format(name=chance.choice(["outbox", "event_queue"])), row))

    def history(self, db: psycopg.Connection) -> str | None:
        chance = self._random
        time = chance.choice([None, *values.TIMES])
        row = ("thing", values.key(chance), values.payload(chance, "n"), values.headers(chance), time)
        return told(db.execute(HISTORY.format(name=chance.choice(["history", "entity_events"])), row))

    def tracked(self, db: psycopg.Connection) -> None:
        """A row of a table with an odd name; its event has an id that only the database knows."""
        chance = self._random
        if not self._tables:
            return
        table, column = (
            sql.Identifier("public", chance.choice(self._tables)),
            sql.Identifier(chance.choice(COLUMNS[1:])),
        )
        upsert = sql.SQL("insert into {t} (id, {c}) values (%(id)s, %(v)s) on conflict (id) do update set {c} = %(v)s")
        value = json.dumps(chance.choice(values.HOSTILE))
        db.execute(upsert.format(t=table, c=column), {"id": values.key(chance), "v": value})
        if chance.random() < 0.1:
            db.execute(sql.SQL("delete from {} where id = %s").format(table), (f"k{chance.randrange(100)}",))

    def huge(self, db: psycopg.Connection) -> None:
        """Many at once that are large only once they are read; not too often, for each is read at each retry."""
        if self.done["huge"] >= MOST_HUGE:
            return
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload, headers)"
            " select 'thing.changed', 'huge' || g || repeat('k', %s),"
            " jsonb_build_object('n', 1, 'text', repeat('x', %s)),"
            " jsonb_build_object('h', repeat('x', %s)) from generate_series(1, 20) g",
            self._random.choice([(100_000, 1, 1), (1, 5_000_000, 1), (1, 1, 5_000_000)]),
        )
