"""A schema as a graph of nodes, whose names are resolved: what schemas are compared by.

A record that contains itself is a cycle, so nothing here is compared by value, or walked by recursion through records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

# Logical types, and on which Avro types the specification lets them stand.
LOGICAL_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "decimal": ("bytes", "fixed"),
    "big-decimal": ("bytes",),
    "uuid": ("string", "fixed"),
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    **{f"{local}timestamp-{unit}": ("long",) for local in ("", "local-") for unit in ("millis", "micros", "nanos")},
    "duration": ("fixed",),
}


class Missing:
    """What a field without a default has for one: null would be a default."""


MISSING: Final = Missing()


@dataclass(frozen=True)
class Logical:
    """A logical type; `precision` and `scale` are digits, and a decimal's alone."""

    name: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})" if self.name == "decimal" else self.name


@dataclass(eq=False)
class Node:
    """A type. `kind` is Avro's word for it: `int`, `record`, `union`."""

    kind: str
    logical: Logical | None = None
    doc: str = ""

    def __str__(self) -> str:
        """The type as a person would call it."""
        return f"{self.kind} ({self.logical})" if self.logical else self.kind


@dataclass(eq=False)
class Named(Node):
    """A record, an enum or a fixed; names and aliases are full ones, with their namespace."""

    name: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]

    def __str__(self) -> str:
        return f"{super().__str__()} {self.name}"


@dataclass(eq=False)
class Fixed(Named):
    size: int = 0  # bytes


@dataclass(eq=False)
class Enum(Named):
    symbols: tuple[str, ...] = ()
    default: str | None = None


@dataclass(eq=False)
class Field:
    name: str
    type: Node
    aliases: tuple[str, ...] = ()
    default: Any = MISSING
    doc: str = ""
    order: str = "ascending"

    @property
    def has_default(self) -> bool:
        return self.default is not MISSING


@dataclass(eq=False)
class Record(Named):
    fields: list[Field] = field(default_factory=list)  # filled after the record, which they may contain

    @cached_property
    def by_name(self) -> dict[str, Field]:
        return {one.name: one for one in self.fields}

    @cached_property
    def by_alias(self) -> dict[str, list[Field]]:
        """The fields that give an alias, in their order."""
        found: dict[str, list[Field]] = {}
        for one in self.fields:
            for alias in one.aliases:
                found.setdefault(alias, []).append(one)
        return found


@dataclass(eq=False)
class Array(Node):
    items: Node = field(default_factory=lambda: Node("null"))


@dataclass(eq=False)
class Map(Node):
    values: Node = field(default_factory=lambda: Node("null"))


@dataclass(eq=False)
class Union(Node):
    branches: tuple[Node, ...] = ()

    @cached_property
    def by_kind(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for branch in self.branches:
            found.setdefault(branch.kind, []).append(branch)
        return found

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Named]:
        """The named branches by kind and full name, and then the first by its unqualified one."""
        named = [branch for branch in self.branches if isinstance(branch, Named)]
        short = {(branch.kind, branch.short_name): branch for branch in reversed(named)}
        return short | {(branch.kind, branch.name): branch for branch in named}

    def __str__(self) -> str:
        shown = ", ".join(str(branch) for branch in self.branches[:5])
        return f"union of {shown}{', ...' if len(self.branches) > 5 else ''}"


@dataclass(eq=False)
class Schema:
    """A whole schema; `title` is what messages call it."""

    title: str
    root: Node

    @cached_property
    def claims(self) -> dict[str, list[Named]]:
        """The types that a name means, by their own name or an alias; more than one contradict each other."""
        found: dict[str, list[Named]] = {}
        for node in reached(self.root):
            if isinstance(node, Named):
                for name in dict.fromkeys((node.name, *node.aliases)):
                    found.setdefault(name, []).append(node)
        return found


def reached(root: Node) -> list[Node]:
    """All nodes below and including `root`, each once."""
    found, waiting = {id(root): root}, [root]
    while waiting:
        for part in _parts(waiting.pop()):
            if id(part) not in found:
                found[id(part)] = part
                waiting.append(part)
    return list(found.values())


def _parts(node: Node) -> Iterable[Node]:
    match node:
        case Record():
            return [one.type for one in node.fields]
        case Array():
            return [node.items]
        case Map():
            return [node.values]
        case Union():
            return node.branches
    return ()
