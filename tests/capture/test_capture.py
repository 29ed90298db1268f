"""Random tables, statements, settings and definitions: history says what happened, and no write fails for it."""

from __future__ import annotations

import os
import random
from collections import Counter

import psycopg
import pytest

from capture import matrix
from capture.matrix import named
from capture.oracle import Db, Replayed, rows
from capture.scene import PRELUDE, Table, make
from capture.statements import SETTINGS, definition, statement

TWINS = ("plain", "tracked")
SCENES = int(os.environ.get("BRIDGE_TEST_CAPTURE_SCENES", "30"))  # in each part
FIRST = int(os.environ.get("BRIDGE_TEST_SEED", "0"))
TRANSACTIONS = 10  # of each scene
LEVELS = ("read committed", "read committed", "repeatable read", "serializable")
BY_ANOTHER = "-- by another, meanwhile: "


def connect(url: str) -> Db:
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)  # sessions are reset


def build(db: Db, tables: list[Table]) -> None:
    db.execute("set synchronous_commit = off")
    for schema in TWINS:
        db.execute(f"drop schema if exists {schema} cascade".encode())
        db.execute(f"create schema {schema}".encode())
        db.execute(f"set search_path = {schema}".encode())
        for part in PRELUDE.split(";")[:-1]:
            db.execute(part.encode())
        for table in tables:
            for part in table.ddl:
                db.execute(part.encode())
    db.execute("delete from bridge.tracked_table where not exists (select from pg_class where oid = relation)")
    db.execute("delete from bridge.history")
    for table in tables:
        db.execute(table.tracking().encode())


def run(db: Db, text: str) -> str:
    """SQLSTATE, or what was done."""
    try:
        return db.execute(text.encode()).statusmessage or ""
    except psycopg.Error as error:
        return f"{error.sqlstate}"


def play(db: Db, other: Db, maker: Db, seed: int, done_here: Counter[tuple[str, str]]) -> list[str]:
    """One scene; returns what was wrong, and counts what was done to which kind of table.

    `maker` alters the first table while a transaction is open that has not touched it, but has its snapshot.
    """
    rng = random.Random(seed)
    version = db.info.server_version // 10000
    tables = make(rng, version)
    build(db, tables)
    twins = {"plain": other, "tracked": db}
    for schema, conn in twins.items():
        conn.execute("discard all")
        conn.execute("set synchronous_commit = off")
        conn.execute(f"set search_path = {schema}".encode())
    replayed = [Replayed(table) for table in tables]
    log: list[str] = []
    for _ in range(TRANSACTIONS):
        if rng.random() < 0.3:
            setting = rng.choice(SETTINGS)
            log.append(setting)
            for conn in twins.values():
                conn.execute(setting.encode())
        script = [f"begin isolation level {rng.choice(LEVELS)}"] if rng.random() < 0.7 else []
        is_open = False
        for _ in range(rng.randrange(1, 5)):
            dice = rng.random()
            if script and dice < 0.15:
                script.append("savepoint s")
                is_open = True
            elif script and is_open and dice < 0.3:
                script.append(rng.choice(("rollback to s", "release s")))
                is_open = script[-1] == "rollback to s"
            else:
                script.append(statement(rng, tables))
        altered = ""
        if script[0].startswith("begin"):
            script.append("commit" if rng.random() < 0.9 else "rollback")
            if rng.random() < 0.1:
                altered = definition(rng, tables[0])
                script[1:1] = ["select", BY_ANOTHER + altered]
        elif rng.random() < 0.1:
            altered = definition(rng, tables[0])
            script = [altered]
        for text in script:
            if text.startswith(BY_ANOTHER):
                done = {}
                for schema in twins:
                    run(maker, f"set search_path = {schema}")
                    done[schema] = run(maker, altered)
            else:
                done = {schema: run(conn, text) for schema, conn in twins.items()}
            log.append(f"{text}   -- {done['plain']}")
            if done["plain"] != done["tracked"]:
                return [f"untracked {done['plain']}, tracked {done['tracked']}", *log]
            if len(done["plain"]) != 5 and (operation := named(text)):
                changed = next((table for table in tables if table.sql in text), tables[0])
                done_here[changed.kind, operation] += 1
        for conn in twins.values():
            conn.execute("rollback")
        for table, consumer in zip(tables, replayed, strict=True):
            if altered.startswith("alter") and table is tables[0]:
                # States before and after a change of the definition have other columns: begin anew.
                consumer.begin_anew(db, rows(db, "tracked", table))
                run(db, f"update {table.sql} set v = v + 1000")
                run(other, f"update {table.sql} set v = v + 1000")
            consumer.catch_up(db)
            now = rows(db, "tracked", table)
            consumer.compare(now)
            if now != rows(other, "plain", table):
                consumer.wrong.append("the twins differ")
            if consumer.wrong:
                ddl = [part for made in tables for part in made.ddl]
                return [*consumer.wrong, *ddl, table.tracking(), *log]
    return []


@pytest.mark.parametrize("part", range(4))
def test_history_says_what_happened(either_version: str, part: int) -> None:
    done: Counter[tuple[str, str]] = Counter()
    with connect(either_version) as db, connect(either_version) as other, connect(either_version) as maker:
        version = str(db.info.server_version // 10000)
        for seed in range(FIRST + part * SCENES, FIRST + (part + 1) * SCENES):
            wrong = play(db, other, maker, seed, done)
            assert not wrong, f"seed {seed}:\n" + "\n".join(wrong)
    matrix.keep(version, f"{FIRST}-{part}", SCENES, done)
