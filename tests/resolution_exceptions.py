"""Where our verdict on two schemas is not that of Avro's Java `SchemaCompatibility`, which registries use, and why.

Each exception has its name, under which docs/compatibility.md explains it by the specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.nodes import Named, Record, Schema, Union, reached
from bridge.encoding.avro.problem import Problem, Rule

# We say that it cannot be read, and Java that it can: for these rules always,
STRICTER: Final = {
    Rule.DECIMAL_SCALE: "decimals match",
    Rule.DECIMAL_PRECISION: "decimals match",
    Rule.LOGICAL_TYPE: "the same bytes mean another value",
    Rule.FIELD_ALIAS_AMBIGUOUS: "aliases are unique",
    Rule.TYPE_ALIAS_AMBIGUOUS: "aliases are unique",
    Rule.READER_FIELD_INVALID_DEFAULT: "a default is of its type",
}
TWINS: Final = "the first branch that matches"  # and for others where a union has two types of one short name,
RENAMED: Final = "aliases rename the writer's types"  # or an alias is the name of a type that stands elsewhere.
# Java says that it cannot be read, and we that it can.
ITSELF: Final = "a schema reads itself"
OWN_NAME: Final = "an alias that is the field's own name"

EXCEPTIONS: Final = {*STRICTER.values(), TWINS, RENAMED, ITSELF, OWN_NAME}


def explained(reader: Schema, writer: Schema, problems: Sequence[Problem]) -> str | None:
    """The exception under which Java, or the registry, says the opposite; None if it may not."""
    if not problems:
        if meaning(reader) == meaning(writer):
            return ITSELF
        return OWN_NAME if _has_own_alias(reader) else None
    names = {STRICTER.get(one.rule) or _odd(reader, writer, one) for one in problems}
    return None if None in names else min(name for name in names if name)


def _odd(reader: Schema, writer: Schema, problem: Problem) -> str | None:
    """An ordinary problem that only we see, because we look at another type of the reader than Java."""
    if any(isinstance(node, Union) and _has_twins(node) for node in reached(reader.root)):
        return TWINS
    written = {node.name for node in reached(writer.root) if isinstance(node, Named)}
    elsewhere = {name for name, types in reader.claims.items() if name in written and types[0].name != name}
    return RENAMED if elsewhere and problem.rule is Rule.NAME_MISMATCH else None


def _has_twins(union: Union) -> bool:
    names = [(one.kind, one.short_name) for one in union.branches if isinstance(one, Named)]
    return len(set(names)) < len(names)


def _has_own_alias(reader: Schema) -> bool:
    records = [node for node in reached(reader.root) if isinstance(node, Record)]
    return any(one.name in one.aliases for record in records for one in record.fields)
