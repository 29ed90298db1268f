"""Ids of schemas, where a registry has lost what it had while a relay was running."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import SchemaUnregistered
from bridge.relay.schema_ids import SchemaIds
from bridge.settings import Settings

NEVER, BEFORE = (
    AvroSchema(f"shop.{name}", f'{{"type": "record", "name": "{name}", "fields": []}}') for name in ("A", "B")
)


class Registry:
    """Has the second schema, and, once it is another registry, has it under another id; never the first."""

    def __init__(self) -> None:
        self.counts: Any = None
        self.is_other = False

    def schema_id(self, schema: AvroSchema) -> int:
        if schema is NEVER:
            raise SchemaUnregistered("the registry does not have it")
        return 2 if self.is_other else 1

    def still_has(self, schema: AvroSchema) -> bool:
        return schema is NEVER or not self.is_other


def test_a_schema_that_never_had_an_id_keeps_no_other_from_getting_its_new_one() -> None:
    registry: Any = Registry()
    ids = SchemaIds(Settings(), registry, {})
    with pytest.raises(SchemaUnregistered):
        ids.schema_id(NEVER)
    assert ids.schema_id(BEFORE) == 1
    registry.is_other = True
    for _ in range(2):  # one of them after the other
        ids._next_question = 0.0
        ids._safely(ids._ask_again)
        ids._safely(ids._check)
    assert ids.schema_id(BEFORE) == 2
    assert ids._trouble is None
    with pytest.raises(SchemaUnregistered):
        ids.schema_id(NEVER)
