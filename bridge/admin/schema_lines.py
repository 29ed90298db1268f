"""Where in a schema's files a path of a compatibility problem is: `$.lines[].price`."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from bridge.encoding.avro.library import Texts
from bridge.encoding.avro.names import NAMED
from bridge.encoding.avro.schema import AvroSchema

PARTS = re.compile(r"\.([^.\[{<]+)|(\[\])|(\{\})|<([^>]*)>")
SPACE = re.compile(r"[ \t\r\n]*")
SCALAR = re.compile(r"[^\s,\]}]+")


class Placed(NamedTuple):
    """A JSON value, whose lists and objects hold values that are placed, too, and its subject's file and line."""

    value: Any
    subject: str
    line: int


def line_of(path: str, schema: AvroSchema, texts: Texts) -> tuple[str, int]:
    """The subject whose file has the last part of the path that there is, and its line, from 1."""
    files = [schema.subject, *(used.subject for used in schema.used.values())]
    roots = [placed(texts.text(subject), subject) for subject in files]
    definitions: dict[str, Placed] = {}
    for root in roots:
        _define(root, definitions)
    node, (subject, line) = roots[0], (schema.subject, 1)
    for field, items, values, branch in PARTS.findall(path):
        node = _resolved(node, branch, definitions)
        key = "fields" if field else "items" if items else "values" if values else None
        if key is None:
            continue
        if not isinstance(node.value, dict) or key not in node.value:
            break
        if not field:
            node = node.value[key]
            continue
        found = next((one for one in node.value[key].value if _text(one, "name") == field), None)
        subject, line = (node.subject, node.line) if found is None else (found.subject, found.line)
        if found is None:
            break
        node = found.value["type"]
    return subject, line


def placed(text: str, subject: str) -> Placed:
    """JSON text, which is valid, with the line of each value."""
    return _value(text, SPACE.match(text, 0).end(), subject)[0]  # type: ignore[union-attr]


def _value(text: str, at: int, subject: str) -> tuple[Placed, int]:
    line = text.count("\n", 0, at) + 1
    match text[at]:
        case '"':
            value, at = scanstring(text, at + 1)
        case "{" | "[" as opening:
            value, at = _container(text, at + 1, subject, is_object=opening == "{")
        case _:
            scalar = SCALAR.match(text, at)
            assert scalar is not None  # noqa: S101 - the text is valid
            value, at = json.loads(scalar[0]), scalar.end()
    return Placed(value, subject, line), at


def _container(text: str, at: int, subject: str, *, is_object: bool) -> tuple[Any, int]:
    values: list[Placed] = []
    names: list[str] = []
    while True:
        at = _past(text, at, ",")
        if text[at] in "]}":
            return (dict(zip(names, values, strict=True)) if is_object else values), at + 1
        if is_object:
            name, at = scanstring(text, at + 1)
            names.append(name)
            at = _past(text, at, ":")
        value, at = _value(text, at, subject)
        values.append(value)


def _past(text: str, at: int, char: str) -> int:
    """Behind white space, and `char` with white space, if that follows."""
    at = SPACE.match(text, at).end()  # type: ignore[union-attr]
    return SPACE.match(text, at + 1).end() if text[at] == char else at  # type: ignore[union-attr]


def _define(node: Placed, definitions: dict[str, Placed]) -> None:
    """Types by their names, as they are written and short: what comes of a mistaken one is but another line."""
    children = node.value.values() if isinstance(node.value, dict) else node.value
    if isinstance(node.value, dict) and _text(node, "type") in NAMED:
        name = _text(node, "name")
        definitions.setdefault(name, node)
        definitions.setdefault(name.rpartition(".")[2], node)
    if isinstance(node.value, dict | list):
        for child in children:
            _define(child, definitions)


def _resolved(node: Placed, branch: str, definitions: dict[str, Placed]) -> Placed:
    """The definition that stands, or is named, at a node; of a union, the branch, or the only one beside null."""
    while True:
        if isinstance(node.value, list):
            others = [one for one in node.value if one.value != "null"]
            named = [one for one in others if branch and branch.rpartition(".")[2] in (_text(one, "name"), one.value)]
            if not (others := named or others):
                return node
            node = others[0]
        elif isinstance(node.value, str):
            found = definitions.get(node.value) or definitions.get(node.value.rpartition(".")[2])
            if found is None:
                return node
            return found
        elif isinstance(node.value, dict) and not isinstance(node.value["type"].value, str):
            node = node.value["type"]
        elif isinstance(node.value, dict) and _text(node, "type") in definitions and "items" not in node.value:
            return definitions[_text(node, "type")]
        else:
            return node


def _text(node: Placed, key: str) -> str:
    found = node.value.get(key) if isinstance(node.value, dict) else None
    return found.value if found is not None and isinstance(found.value, str) else ""
