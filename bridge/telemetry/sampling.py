"""Takes samples of the database for health, over a connection of its own: cheap, however many events wait."""

from __future__ import annotations

import contextlib

import psycopg
from psycopg.rows import class_row, dict_row

from bridge.postgres.connection import begin, connect, is_pooled
from bridge.postgres.explained import explained
from bridge.postgres.finished import NEVER
from bridge.postgres.queries import query
from bridge.settings import Settings
from bridge.telemetry.sample import MOST, DeadSample, JobSample, ParkedSample, Sample, ShardSample, StoppedTopic

PASSED_ROWS = 10_000  # of a shard and source below its cursor: some 5 ms
STATEMENT_SECONDS = 10  # at most; it should take milliseconds
AGAIN = 3  # failures of a job in a row that tell more than chance


class Sampler:
    """Connects when it is asked, and again where a failure has cost the connection; one thread uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._conn: psycopg.Connection | None = None

    def __call__(self) -> Sample:
        """One sample. Raises ConfigError, DatabaseUnavailable, and psycopg.Error for what is not foreseen."""
        with explained():
            try:
                conn = self._conn = self._conn or self._connect()
                return self._sample(conn)
            except BaseException:
                self._end_transaction()
                raise

    def close(self) -> None:
        """Let the connection go."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _end_transaction(self) -> None:
        """For a right that is missing, say, nobody needs to connect again: it may be missing for days."""
        with contextlib.suppress(psycopg.Error):  # the connection is lost
            if self._conn is not None and not is_pooled(self._conn):
                self._conn.rollback()
                return
        self.close()

    def _connect(self) -> psycopg.Connection:
        conn = connect(self._settings.database, application_name=f"{self._settings.relay.name} health")
        if not is_pooled(conn):
            conn.execute(query("set_session"), {"is_local": False})
        return conn

    def _sample(self, conn: psycopg.Connection) -> Sample:
        begin(conn, "begin isolation level repeatable read read only")
        conn.execute("select set_config('statement_timeout', %s, true)", (f"{STATEMENT_SECONDS}s",))
        row = conn.execute(query("finished_up_to")).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        unread = query("oldest_unread").replace(NEVER, psycopg.sql.Literal(row[0]).as_string(conn)).encode()
        bounds = {"lease_seconds": self._settings.relay.lease_seconds, "pass": PASSED_ROWS, "most": MOST}
        with conn.cursor(row_factory=class_row(ShardSample)) as cursor:
            shards = cursor.execute(unread, bounds).fetchall()
        with conn.cursor(row_factory=class_row(ParkedSample)) as cursor:
            parked = cursor.execute(query("oldest_parked"), bounds).fetchall()
        with conn.cursor(row_factory=class_row(DeadSample)) as cursor:
            dead = cursor.execute(query("oldest_dead"), bounds).fetchone() or DeadSample()
        sample = Sample(tuple(shards), tuple(parked), dead, self._stopped_topics(conn), self._jobs(conn))
        conn.execute("commit")
        return sample

    def _stopped_topics(self, conn: psycopg.Connection) -> tuple[StoppedTopic, ...]:
        with conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query("stopped_topics"), {"most": MOST}).fetchall()
        return tuple(
            StoppedTopic(row["topic"], str(row["event_id"]), row["reason"], row["waiting"])
            for row in rows
            if row["state"] == "dead"
        )

    def _jobs(self, conn: psycopg.Connection) -> tuple[JobSample, ...]:
        with conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query("jobs")).fetchall()
        return tuple(
            JobSample(row["job"], row["is_late"], row["failures"], row["detail"])
            for row in rows
            if row["is_late"] or (row["outcome"] == "error" and row["failures"] >= AGAIN and row["job"] != "capture")
        )
