"""The canonical form of a schema: two texts that mean the same have the same."""

from __future__ import annotations

import json
from typing import Any

from bridge.encoding.avro.nodes import Array, Enum, Field, Fixed, Map, Named, Node, Record, Schema, Union


def meaning(schema: Schema, *, for_readers: bool = True) -> str:
    """JSON text that differs between two schemas only where records could be written or read differently.

    It leaves out what never counts: white space, the order of attributes, documentation, `order`, attributes that Avro
    does not know, and whether a name has its namespace beside or within it. It keeps logical types. With
    `for_readers=False` it also leaves out what only a reader looks at: defaults and aliases.
    """
    form = _Form(for_readers)
    return json.dumps([form.node(schema.root), form.definitions()], separators=(",", ":"), sort_keys=True)


class _Form:
    def __init__(self, for_readers: bool) -> None:
        self._for_readers = for_readers
        self._found: dict[str, Named] = {}

    def node(self, node: Node) -> Any:
        """A named type is its name here, and is found again in the definitions."""
        match node:
            case Named():
                self._found.setdefault(node.name, node)
                return {"name": node.name}
            case Array():
                return {"items": self.node(node.items)}
            case Map():
                return {"values": self.node(node.values)}
            case Union():
                return [self.node(branch) for branch in node.branches]
            case _:
                return {"type": node.kind, **self._logical(node)}

    def definitions(self) -> dict[str, Any]:
        """Of all named types that are reached, which may be more than were when this was called."""
        done: dict[str, Any] = {}
        while waiting := self._found.keys() - done.keys():
            for name in waiting:
                done[name] = self._definition(self._found[name])
        return done

    def _definition(self, named: Named) -> dict[str, Any]:
        form: dict[str, Any] = {"type": named.kind, **self._logical(named)}
        match named:
            case Record():
                form["fields"] = [self._field(field) for field in named.fields]
            case Enum():
                form["symbols"] = named.symbols
                if self._for_readers and named.default is not None:
                    form["default"] = named.default
            case Fixed():
                form["size"] = named.size
        if self._for_readers and named.aliases:
            form["aliases"] = sorted(named.aliases)
        return form

    def _field(self, field: Field) -> dict[str, Any]:
        form = {"name": field.name, "type": self.node(field.type)}
        if self._for_readers and field.has_default:
            form["default"] = _default(field.default)
        if self._for_readers and field.aliases:
            form["aliases"] = sorted(field.aliases)
        return form

    def _logical(self, node: Node) -> dict[str, Any]:
        if node.logical is None:
            return {}
        return {"logical": [node.logical.name, node.logical.precision, node.logical.scale]}


def _default(value: Any) -> Any:
    """1.0 is written 1: which of them stands in a default is not Avro's business."""
    return json.loads(json.dumps(value), parse_float=_whole)


def _whole(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() and number else number
