"""The right to erasure: removes what bridge holds of a subject, and writes down what it did, and what remains.

In this order, because each step may be the last one: rows, cold files, tombstones, the certificate. Whoever is killed
has left a certificate that is not finished; the same command again goes on with it. All the time the keeper's lease is
held, so that no row moves from a table that was not looked at into one that was.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from bridge.admin.erase_topics import Topics, find_topics, publish
from bridge.admin.person import who
from bridge.errors import BridgeError, KeysBlocked
from bridge.failpoint import failpoint
from bridge.keeping.cold_erasure import Folder, Held, erase_in, folders, look
from bridge.keeping.keeper import LEASE_SECONDS
from bridge.keeping.subject import Subject
from bridge.postgres.connection import connect, is_pooled
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.queries import query
from bridge.progress import Progress
from bridge.settings import Settings

SLICE = 1_000
PASSES = 3
PATIENCE_SECONDS = 30.0  # for a keeper that is at work
REMAINS = (
    "ids, numbers, times, types, actions and the key itself, in the database; do not use personal data as keys",
    "what the key's events say in other places: in events of other keys, in the application's own tables,"
    " in the conditions of bridge.snapshot",
    "Postgres' write-ahead log, backups and standbys that lag, until they are gone; free space in its files, until that"
    " is used again; what transactions that were open still see",
    "tables that a person has detached, copied or restored from cold files; older versions in an object store;"
    " cold files in places that no policy names",
    "what consumers have read",
)


class Leaf(NamedTuple):
    """A table partition, or a table that was one."""

    oid: int
    name: str
    parent: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is of a subject: rows not erased yet by table, files by folder, topics; what is still to be published.

    `pending` are numbers of events by what became of them so far.
    """

    rows: Mapping[str, int]
    files: Mapping[str, int]
    topics: Topics
    pending: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A finished row of `bridge.erasure`."""

    id: str
    places: Mapping[str, Any]
    remains: tuple[str, ...]


def look_for(settings: Settings, subject: Subject, topics: Collection[str], progress: Progress) -> Plan:
    """Find what there is, and change nothing. `topics`: others that hold the key.

    Raises BridgeError where nothing is known of it; VerificationFailed (a cold file that counts cannot be read),
    ConfigError, DatabaseUnavailable, BrokerUnavailable, StorageUnavailable.
    """
    with _erasing(settings, subject, progress) as erasing:
        return erasing.plan(topics)


def erase(
    settings: Settings, subject: Subject, topics: Collection[str], progress: Progress, why: str | None = None
) -> Certificate:
    """Remove it; `why` stands in the certificate. Raises as `look_for`, KeysBlocked while events of it are to be
    published; BridgeError, too, where a keeper is at work.
    """
    with _erasing(settings, subject, progress) as erasing:
        return erasing.carry_out(topics, why)


@contextmanager
def _erasing(settings: Settings, subject: Subject, progress: Progress) -> Iterator[_Erasing]:
    with explained(), connect(settings.database, application_name="bridge erase") as conn:
        require_current(conn)
        yield _Erasing(conn, settings, subject, progress)


class _Erasing:
    """One subject, over one connection."""

    def __init__(self, conn: psycopg.Connection, settings: Settings, subject: Subject, progress: Progress) -> None:
        self._conn = conn
        self._settings = settings
        self._subject = subject
        self._progress = progress
        self._owner: str | None = None  # of the keeper's lease, while it is held
        self._named = {"entity_type": subject.entity_type, "key": subject.key}

    def plan(self, topics: Collection[str]) -> Plan:
        """Look everywhere. Raises BridgeError where nothing is found and no topic is named."""
        rows, types = self._rows()
        held, others = self._held()
        types = types.union(*(h.types for _, h in held))
        (shares_key,) = self._one("shares_key", self._named)
        found = find_topics(self._settings, self._subject, types, topics, others, shares_key=shares_key)
        files = {folder.path: len(h.files) for folder, h in held if h.files}
        if not (rows or files or found.compacted or found.kept):
            raise BridgeError(
                "nothing is known of this key",
                hint="Its events may have left the database: name the topics that they were in with --topic",
            )
        return Plan(rows, files, found, self._pending())

    def carry_out(self, topics: Collection[str], why: str | None) -> Certificate:
        """Do it, or go on with it."""
        self._refuse_pending()
        key = {"key": self._subject.kafka_key, "entity_type": self._subject.entity_type}
        erasure = str(self._one("begin_erasure", key | who(why))[0])
        with self._kept_house(erasure):
            plan = self._erase_all(erasure, topics)
            places = publish(self._settings, plan.topics, self._subject, erasure)
            self._note(erasure, {"topics": places} if places else {})
            failpoint("tombstoned")
            return self._finish(erasure, plan)

    def _erase_all(self, erasure: str, topics: Collection[str]) -> Plan:
        """Until nothing is left: rows may have come, or moved, meanwhile. Returns what was found at last."""
        for _ in range(PASSES):
            self._erase_rows(erasure)
            self._erase_files(erasure)
            plan = self.plan(topics)
            self._refuse_pending()
            if not plan.rows and not plan.files:
                return plan
        raise BridgeError("rows of this key come again and again", hint="End what writes them, and run it again")

    @contextmanager
    def _kept_house(self, erasure: str) -> Iterator[None]:
        """Hold the keeper's lease; who goes on with an erasure has it at once. Raises BridgeError if a keeper does."""
        ends = time.monotonic() + PATIENCE_SECONDS
        owner = f"bridge erase {erasure}"
        while not self._take_lease(owner):
            if time.monotonic() > ends:
                hint = "Try again; behind a pooler, the lease of one that died lasts 5 minutes"
                raise BridgeError("a keeper is at work", hint=hint)
            time.sleep(0.2)
        self._owner = owner
        try:
            yield
        finally:
            if not self._conn.closed:
                self._conn.execute(query("release_keeper"), {"owner": owner})

    def _take_lease(self, owner: str) -> bool:
        lease = {"owner": owner, "lease_seconds": LEASE_SECONDS, "is_pooled": is_pooled(self._conn)}
        return self._conn.execute(query("take_keeper"), lease).fetchone() is not None

    def _tell(self, what: str, done: int, total: int) -> None:
        """Also renews the lease."""
        self._progress(what, done, total)
        if self._owner is not None and not self._take_lease(self._owner):
            raise BridgeError("a keeper has begun meanwhile", hint="Run it again: it goes on where it was")

    def _leaves(self) -> list[Leaf]:
        found = self._conn.execute(query("erasure_leaves"), {"parents": list(self._subject.parents)}).fetchall()
        return [Leaf(*row) for row in found]

    def _rows(self) -> tuple[dict[str, int], set[str]]:
        rows, types, leaves = {}, set[str](), self._leaves()
        for done, leaf in enumerate(leaves):
            self._tell("looking in tables", done, len(leaves))
            count, found = self._one("find_subject", self._named | {"leaf": leaf.oid, "parent": leaf.parent})
            types.update(found)
            if count:
                rows[leaf.name] = int(count)
        return rows, types

    def _held(self) -> tuple[list[tuple[Folder, Held]], list[str]]:
        held = []
        found, others = folders(self._conn, self._subject)
        for done, folder in enumerate(found):
            go_on = partial(self._tell, "looking in cold files", done, len(found))
            held.append((folder, look(folder, self._subject, go_on)))
        return held, others

    def _pending(self) -> dict[str, int]:
        return dict(self._conn.execute(query("erasure_pending"), self._named).fetchall())

    def _refuse_pending(self) -> None:
        if pending := self._pending():
            told = ", ".join(f"{count} {state}" for state, count in sorted(pending.items()))
            raise KeysBlocked(
                f"events of this key are still to be published: {told}",
                hint="Let a relay publish them, give dead ones up with bridge dead skip, and run it again",
            )

    def _erase_rows(self, erasure: str) -> None:
        leaves = self._leaves()
        for done, leaf in enumerate(leaves):
            wanted = {"erasure": erasure, "leaf": leaf.oid, "parent": leaf.parent, "key": self._subject.key}
            count = SLICE
            while count >= SLICE:
                self._tell("erasing rows", done, len(leaves))
                (count,) = self._one("erase_rows", wanted | {"most": SLICE})
                if count:
                    failpoint("erased_rows")

    def _erase_files(self, erasure: str) -> None:
        held, _ = self._held()
        for done, (folder, of_folder) in enumerate(held):
            go_on = partial(self._tell, "erasing in cold files", done, len(held))
            go_on()
            if of_folder.files:
                erase_in(self._conn, folder, self._subject, of_folder, erasure, go_on)
                self._note(erasure, {folder.path: of_folder.rows})

    def _note(self, erasure: str, places: Mapping[str, Any]) -> None:
        self._conn.execute(query("note_erasure"), {"id": erasure, "places": Jsonb(places)})

    def _finish(self, erasure: str, plan: Plan) -> Certificate:
        (places,) = self._one("erasure_places", {"id": erasure})
        touched = [leaf for leaf in self._leaves() if leaf.name in places]
        for done, leaf in enumerate(touched):  # old versions of the rows, and samples of their values
            self._tell("vacuuming", done, len(touched))
            self._conn.execute(sql.SQL("vacuum (analyze) {}").format(sql.SQL(leaf.name)))
        for (parent,) in self._conn.execute(query("erasure_statistics"), {"parents": list(self._subject.parents)}):
            self._conn.execute(sql.SQL("analyze {}").format(sql.SQL(parent)))
        remains = [*REMAINS, *plan.topics.remains]
        self._one("finish_erasure", {"id": erasure, "remains": remains})
        return Certificate(erasure, places, tuple(remains))

    def _one(self, name: str, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        row = self._conn.execute(query(name), parameters).fetchone()
        assert row is not None  # noqa: S101 - each of these yields a row
        return row
