"""The domain functions of the reference application, on one connection."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import psycopg

from bridge.demo import fiction


class Session:
    """Each method is one call."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._types: dict[str, UUID] = dict(conn.execute("select display_name, id from crm.entity_types").fetchall())
        self.transaction = conn.transaction
        self.close = conn.close

    def act_as(self, user: str, address: str, agent: str) -> None:
        self._call("select bridge.set_actor(%s, %s, %s)", user, address, agent)

    def create(self, type_name: str, data: fiction.Data) -> UUID:
        fields = orjson.dumps(data).decode()
        return UUID(str(self._call("select crm.fn_create_entity(%s, %s)", self._types[type_name], fields)))

    def update(self, entity: UUID, data: fiction.Data) -> bool:
        """False where nothing differed."""
        return bool(self._call("select crm.fn_update_entity(%s, %s)", entity, orjson.dumps(data).decode()))

    def delete(self, entity: UUID) -> None:
        self._call("select crm.fn_delete_entity(%s)", entity)

    def link(self, entity1: UUID, entity2: UUID, relationship_type: str) -> None:
        self._call("select crm.fn_link_entities(%s, %s, %s)", entity1, entity2, relationship_type)

    def unlink(self, entity1: UUID, entity2: UUID, relationship_type: str) -> None:
        self._call("select crm.fn_unlink_entities(%s, %s, %s)", entity1, entity2, relationship_type)

    def touch(self, entity: UUID, channel: str, summary: str) -> None:
        self._call("select crm.fn_add_touchpoint(%s, %s, %s)", entity, channel, summary)

    def _call(self, statement: str, *values: object) -> Any:
        row = self._conn.execute(statement, values).fetchone()
        return row and row[0]
