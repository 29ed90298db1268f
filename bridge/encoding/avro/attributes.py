"""The attributes of a type in a schema's JSON document: read, or refused with where they stand."""

from __future__ import annotations

import json
from math import log10
from typing import Any

from bridge.encoding.avro.nodes import LOGICAL_TYPES, Logical


class InvalidSchema(ValueError):
    """A document that is no Avro schema; says where in it, by its names."""


def symbols(document: dict[str, Any]) -> dict[str, Any]:
    """Of an enum, with its default."""
    given, default = strings(document, "symbols"), document.get("default")
    if len(set(given)) < len(given) or "symbols" not in document:
        raise InvalidSchema(f"the enum {document.get('name')} has a symbol twice, or no list of symbols")
    if default is not None and default not in given:
        raise InvalidSchema(f"the enum {document.get('name')} has a default that is none of its symbols")
    return {"symbols": tuple(given), "default": default}


def logical(document: dict[str, Any], kind: str, size: int | None = None) -> Logical | None:
    """None for one that the specification says to ignore, because it is not valid; unknown ones are kept."""
    name = document.get("logicalType")
    if not isinstance(name, str) or kind not in LOGICAL_TYPES.get(name, (kind,)):
        return None
    if name != "decimal":
        needed = {"uuid": 16, "duration": 12}.get(name, size)
        return Logical(name) if size in (None, needed) else None
    precision, scale = document.get("precision"), document.get("scale", 0)
    if precision.__class__ is not int or scale.__class__ is not int or not 0 <= scale <= precision or not precision:
        return None
    if size is not None and precision > max(8 * size - 1, 0) * log10(2):
        return None
    return Logical(name, precision, scale)


def required(document: dict[str, Any], name: str, what: str) -> Any:
    """An attribute that must be there, of any type."""
    if name not in document:
        raise InvalidSchema(f"a {what} has no {name}")
    return document[name]


def text(document: dict[str, Any], name: str, what: str) -> str:
    """An attribute that is text, and not empty."""
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise InvalidSchema(f"the {name} of a {what} is {shown(found)}")
    return found


def strings(document: dict[str, Any], name: str) -> list[str]:
    """An attribute that is a list of text, or not there."""
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise InvalidSchema(f"the {name} of {shown(document.get('name'))} are not a list of text")
    return found


def shown(value: Any) -> str:
    """Of a value in a schema: what there is of it in a line."""
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}..."
