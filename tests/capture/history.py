"""What the tests of capture ask of a database: to run statements, and what history says of them."""

from __future__ import annotations

from typing import Any

import psycopg

Db = psycopg.Connection[Any]


def run(db: Db, *statements: str) -> None:
    for statement in statements:
        db.execute(statement.encode())


def events(db: Db, entity_type: str = "t") -> list[tuple[Any, ...]]:
    query = """select action, entity_id, previous_state, new_state, changed_fields
                 from bridge.history where entity_type = %s order by seq"""
    return db.execute(query, (entity_type,)).fetchall()


def actions(db: Db, entity_type: str = "t") -> list[tuple[str, str]]:
    return [(action, key) for action, key, *_ in events(db, entity_type)]


def last(db: Db, entity_type: str = "t") -> dict[str, Any]:
    """By key, what a consumer ends with."""
    rows: dict[str, Any] = {}
    for action, key, before, after, _ in events(db, entity_type):
        if action != "TRUNCATE":
            assert rows.get(key) == before, (action, key)
            rows[key] = after
    return {key: state for key, state in rows.items() if state is not None}


def table(db: Db, name: str = "t", key: str = "id") -> dict[str, Any]:
    return dict(db.execute(f"select {key}::text, to_jsonb({name}.*) from {name}".encode()).fetchall())


def give_up_soon(db: Db) -> None:
    """Who needs a table for himself tries a few times, and not for ten seconds."""
    for name in ("execute_briefly", "attach_triggers", "enable_triggers", "disable_tracking"):
        (definition,) = db.execute(f"select pg_get_functiondef('bridge.{name}'::regproc)").fetchone() or ("",)
        assert "tries integer DEFAULT 20" in definition
        db.execute(definition.replace("DEFAULT 20", "DEFAULT 3").encode())


def problems(db: Db) -> list[str]:
    """What `bridge doctor` would say is wrong."""
    query = "select finding from bridge.tracking_report() where is_problem order by finding"
    return [finding for (finding,) in db.execute(query).fetchall()]


def hidden(db: Db) -> bool:
    """Whether nothing of history holds the word SECRET, of which the tests' hidden values are made."""
    return "SECRET" not in str(db.execute("select string_agg(h::text, '') from bridge.history as h").fetchone())
