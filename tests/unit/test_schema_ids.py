"""Ids of schemas, where a registry has lost what it had while a relay was running."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import RegistryUnavailable, SchemaUnregistered
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


def test_another_id_that_an_event_is_told_first_counts_for_all() -> None:
    """Another shard's thread asks behind the question that finds the registry another one, for a route of its own."""
    registry: Any = Registry()
    ids = SchemaIds(Settings(), registry, {})
    forgotten = list[bool]()
    ids.forget = lambda: forgotten.append(True)
    assert ids.schema_id(BEFORE) == 1
    registry.is_other = True
    has = registry.still_has

    def is_asked_meanwhile(schema: AvroSchema) -> bool:
        found: bool = has(schema)
        assert ids.schema_id(schema) == 2
        return found

    registry.still_has = is_asked_meanwhile
    ids._next_question = 0.0
    ids._ask_again()
    ids._check()
    assert forgotten, "what was made ready before has the former id for ever"


class Away:
    """Gives each schema an id, but those that are bad: all, while it is away."""

    def __init__(self) -> None:
        self.counts: Any = None
        self.bad: set[str] = set()
        self.asked: list[str] = []
        self.is_other = False

    def schema_id(self, schema: AvroSchema) -> int:
        self.asked.append(schema.subject)
        if schema.subject in self.bad:
            raise RegistryUnavailable("it says nothing sensible")
        return 2 if self.is_other else 1

    def still_has(self, schema: AvroSchema) -> bool:
        return not self.is_other


SEVERAL = [
    AvroSchema(f"shop.{name}", f'{{"type": "record", "name": "{name}", "fields": []}}') for name in ("A", "B", "C", "D")
]


def test_schemas_of_which_the_registry_says_nothing_sensible_keep_no_other_from_being_looked_at() -> None:
    registry: Any = Away()
    ids = SchemaIds(Settings(), registry, {(one.subject, one.fingerprint): 1 for one in SEVERAL})
    registry.bad = {one.subject for one in SEVERAL}
    assert [ids.schema_id(one) for one in SEVERAL] == [1] * 4
    registry.asked.clear()
    ids._check()
    assert len(registry.asked) == 2, "one that is away is not asked for all"
    registry.bad, registry.is_other = {"shop.A", "shop.B"}, True
    for _ in SEVERAL:
        ids._check()
    assert [ids._kept[one.subject, one.fingerprint] for one in SEVERAL] == [1, 1, 2, 2]
    registry.bad = set()
    ids._check()
    assert [ids.schema_id(one) for one in SEVERAL] == [2] * 4


def test_one_that_is_unsure_keeps_no_other_from_being_asked_for_again() -> None:
    registry: Any = Away()
    ids = SchemaIds(Settings(), registry, {(SEVERAL[0].subject, SEVERAL[0].fingerprint): 1})
    registry.bad = {"shop.A"}
    assert [ids.schema_id(one) for one in SEVERAL] == [1] * 4
    registry.is_other = True
    ids._next_question = 0.0
    ids._ask_again()
    ids._check()
    assert [ids.schema_id(one) for one in SEVERAL] == [1, 2, 2, 2]
