"""A table as the catalog has it, for a schema of its changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from bridge.admin.tables import Table
from bridge.errors import ConfigError
from bridge.postgres.queries import query


class Type(NamedTuple):
    """A row of pg_type; oids are 0 where there is none."""

    oid: int
    name: str
    is_built_in: bool
    is_domain: bool
    base: int
    modifier: int
    dimensions: int
    element: int
    delimiter: str
    is_plain: bool
    labels: list[str]


class Column(NamedTuple):
    """A column; `use` as bridge.tracked_columns() has it: key, plain, masked, excluded or virtual."""

    number: int
    name: str
    type: int
    modifier: int
    dimensions: int
    is_not_null: bool
    comment: str | None
    use: str


class Identity(NamedTuple):
    """What a table is called."""

    schema: str
    name: str
    comment: str | None
    entity_type: str
    is_tracked: bool
    is_table: bool


class Shape(NamedTuple):
    """A table, those of its columns that are recorded, by number, and their types."""

    identity: Identity
    columns: list[Column]
    types: Mapping[int, Type]


def read_shape(conn: psycopg.Connection, table: Table) -> Shape:
    """The table as it is now, whether tracked or not. Raises ConfigError for what is no table."""
    values = {"table": table.oid}
    with conn.transaction(), conn.cursor(row_factory=class_row(Identity)) as cursor:
        identity = cursor.execute(query("table_identity"), values).fetchone()
        with conn.cursor(row_factory=class_row(Column)) as columns:
            found = columns.execute(query("table_columns"), values).fetchall()
        with conn.cursor(row_factory=class_row(Type)) as types:
            known = {type_.oid: type_ for type_ in types.execute(query("table_types"), values)}
    if identity is None or not identity.is_table:
        raise ConfigError(f"{table.name} is no table")
    return Shape(identity, [column for column in found if column.use not in ("excluded", "virtual")], known)
