"""Whether a registry would take a schema behind the versions that it has: ours, which names the field, and its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bridge.encoding.avro.attributes import InvalidSchema
from bridge.encoding.avro.compatibility import LEVELS, check
from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.nodes import Schema
from bridge.encoding.avro.parsing import parse
from bridge.encoding.avro.problem import Problem
from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import IncompatibleSchema
from bridge.registry.answers import ReferenceTo
from bridge.registry.api import RegistryApi
from bridge.registry.history import Past

HINT = "Give new fields defaults, change no field's name or type, or change the subject's level"


def same_meaning(schema: AvroSchema, document: Any, *, for_readers: bool = True) -> bool:
    """Whether the two mean the same, defaults and aliases included, but not documentation.

    Without `for_readers`: whether what is written with one is read alike by the other.
    """
    ours, theirs = _parsed(schema.whole, schema.subject), _parsed(document, schema.subject)
    if ours is None or theirs is None:
        return False
    return meaning(ours, for_readers=for_readers) == meaning(theirs, for_readers=for_readers)


def found_problems(schema: AvroSchema, former: Sequence[Past], level: str) -> tuple[Problem, ...]:
    """What is wrong with a schema behind the versions `former`, those that we can read, oldest first.

    Nothing at a level that we do not know.
    """
    if level.removesuffix("_TRANSITIVE") not in LEVELS:
        return ()
    ours = _parsed(schema.whole, f"{schema.subject}.avsc")
    past = [_parsed(one.document, f"{schema.subject} version {one.number}") for one in former]
    return () if ours is None else check(ours, [one for one in past if one is not None], level)


def raise_if_incompatible(
    api: RegistryApi, schema: AvroSchema, references: Sequence[ReferenceTo], former: Sequence[Past], level: str
) -> None:
    """Raises IncompatibleSchema; NONE is left to the registry, for it may mean that no level was ever set."""
    problems = found_problems(schema, former, level)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise IncompatibleSchema(
            f"the schema of {schema.subject} is not compatible with what is registered (level {level}): "
            f"{problems[0].path}: {problems[0].message}{more}",
            hint=f"{problems[0].mend}; `bridge schema check` shows all",
        )
    if registry_verdict(api, schema, references, with_all=level.endswith("_TRANSITIVE")) is False:
        raise IncompatibleSchema(
            f"the registry says that the schema of {schema.subject} is not compatible with what is registered "
            f"(level {level})",
            hint=HINT,
        )


def registry_verdict(
    api: RegistryApi, schema: AvroSchema, references: Sequence[ReferenceTo] | None, *, with_all: bool
) -> bool | None:
    """What the registry's own check says, beside the latest version or all; None where it cannot tell.

    `references` is None where a schema that this one uses is yet to be registered: then it is asked about in one piece.
    """
    text = json.dumps(schema.whole) if references is None else schema.text
    return api.is_compatible(schema.subject, text, references or (), with_all=with_all)


def _parsed(document: Any, title: str) -> Schema | None:
    try:
        return None if document is None else parse(document, title)
    except InvalidSchema:
        return None
