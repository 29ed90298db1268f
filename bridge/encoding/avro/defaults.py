"""Whether a field's default is one of its type: only a reader that needs it would find out."""

from __future__ import annotations

from typing import Any, Final

from bridge.encoding.avro.nodes import Array, Enum, Fixed, Map, Node, Record, Union

BITS: Final = {"int": 31, "long": 63}
MAX_DEPTH: Final = 60


def fits(value: Any, node: Node) -> bool:
    """Whether the JSON value `value` may stand as a default of the type; below 60 levels nothing is looked at.

    For a union any branch will do, as the specification says since Avro 1.12; before, it had to be the first.
    """
    return _fits(value, node, 0, {})


def _fits(value: Any, node: Node, level: int, known: dict[tuple[int, int], bool]) -> bool:
    """`known`: by value and type, or unions of records within each other would be tried a power of times."""
    if level > MAX_DEPTH:
        return True
    asked = (id(value), id(node))
    if asked not in known:
        known[asked] = _is_one(value, node, level, known)
    return known[asked]


def _is_one(value: Any, node: Node, level: int, known: dict[tuple[int, int], bool]) -> bool:
    pairs: list[tuple[Any, Node]] = []
    match node:
        case Union():
            return any(_fits(value, branch, level, known) for branch in node.branches)
        case Record():
            if not isinstance(value, dict):
                return False
            if any(one.name not in value and not one.has_default for one in node.fields):
                return False
            pairs = [(value[one.name], one.type) for one in node.fields if one.name in value]
        case Array():
            if not isinstance(value, list):
                return False
            pairs = [(item, node.items) for item in value]
        case Map():
            if not isinstance(value, dict):
                return False
            pairs = [(item, node.values) for item in value.values()]
        case _:
            return _is_plain(value, node)
    return all(_fits(item, type_, level + 1, known) for item, type_ in pairs)


def _is_plain(value: Any, node: Node) -> bool:
    match node:
        case Enum():
            return value in node.symbols
        case Fixed():
            return _is_bytes(value) and len(value) == node.size
    match node.kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            least = -(1 << BITS[node.kind])
            return value.__class__ is int and least <= value < -least
        case "float" | "double":
            return value.__class__ in (int, float)
        case "bytes":
            return _is_bytes(value)
    return isinstance(value, str)


def _is_bytes(value: Any) -> bool:
    return isinstance(value, str) and all(char <= "\xff" for char in value)
