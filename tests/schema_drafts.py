"""Random Avro schemas that can be changed: named types stand apart, and all that refers to them sees it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

PLAIN = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3},
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
    {"type": "bytes", "logicalType": "unheard-of"},
]
SPACES = ["crm", "erp", "a.b"]
SYMBOLS = ["A", "B", "C", "D"]
FIELDS = ["f0", "f1", "f2", "f3"]


class Draft:
    """A schema as it is made and changed: its named types apart, by full names, which everything refers to."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.types: dict[str, dict[str, Any]] = {}
        self.open: set[str] = set()  # records whose fields are still being made
        self.root: Any = self.type(0)

    def type(self, level: int) -> Any:
        kinds = ["plain", "plain", "logical", "enum", "fixed"] + ["record", "record", "array", "map", "union"] * (
            level < 3
        )
        kinds += ["again"] * bool(self.types)
        kind = "record" if level == 0 and self.random.random() < 0.8 else self.random.choice(kinds)
        made = getattr(self, f"_{kind}")(level)
        is_ended = not (isinstance(made, str) and made in self.open)
        return made if is_ended else self.random.choice([["null", made], {"type": "array", "items": made}])

    def _plain(self, _: int) -> Any:
        return self.random.choice(PLAIN)

    def _logical(self, _: int) -> Any:
        return dict(self.random.choice(LOGICAL))

    def _again(self, _: int) -> Any:
        return self.random.choice(sorted(self.types))

    def _array(self, level: int) -> Any:
        return {"type": "array", "items": self.type(level + 1)}

    def _map(self, level: int) -> Any:
        return {"type": "map", "values": self.type(level + 1)}

    def _union(self, level: int) -> Any:
        if self.random.random() < 0.5:
            return without_twins(["null", self.type(level + 1)])
        if self.random.random() < 0.2 and self.types:
            return without_twins(self.random.sample(sorted(self.types), min(len(self.types), 3)))
        return without_twins([self.type(level + 1) for _ in range(self.random.randint(1, 4))])

    def _enum(self, _: int) -> Any:
        symbols = self.random.sample(SYMBOLS, self.random.randint(1, 4))
        default = {"default": symbols[0]} if self.random.random() < 0.2 else {}
        return self.define("enum", symbols=symbols, **default)

    def _fixed(self, _: int) -> Any:
        logical = {"logicalType": "decimal", "precision": 4, "scale": 1} if self.random.random() < 0.3 else {}
        return self.define("fixed", size=self.random.choice([2, 4]), **logical)

    def _record(self, level: int) -> Any:
        name = self.define("record", fields=[])
        self.open.add(name)
        for field in self.random.sample(FIELDS, self.random.randint(0, 4)):
            self.types[name]["fields"].append(self.field(field, self.type(level + 1)))
        self.open.discard(name)
        return name

    def define(self, kind: str, **more: Any) -> str:
        name = f"{self.random.choice(SPACES[:1] * 8 + SPACES)}.N{len(self.types)}"
        if self.random.random() < 0.1 and self.types:  # the short name of another, which only its namespace tells apart
            name = f"{self.random.choice(SPACES)}.{self.random.choice(sorted(self.types)).rpartition('.')[2]}"
        if name in self.types:
            name = f"{name}x{len(self.types)}"
        self.types[name] = {"type": kind, "name": name, **more}
        return name

    def field(self, name: str, type_: Any) -> dict[str, Any]:
        default = {"default": self.default(type_, 0)} if self.random.random() < 0.5 else {}
        return {"name": name, "type": type_} | (default if default.get("default") is not Draft else {})

    def default(self, type_: Any, level: int) -> Any:
        """A value for the type; the class itself where none ends."""
        if level > 4:
            return Draft
        if isinstance(type_, list):
            return self.default(type_[0], level) if type_ else Draft
        document = type_ if isinstance(type_, dict) else self.types.get(type_, {"type": type_})
        match document["type"]:
            case "record":
                values = {one["name"]: self.default(one["type"], level + 1) for one in document["fields"]}
                is_open = document["name"] in self.open or Draft in values.values()
                return Draft if is_open else values
            case "enum":
                return self.random.choice(document["symbols"])
            case "fixed":
                return "\u00ff" * document["size"]
        plain = {"null": None, "boolean": True, "float": 1, "double": 0.5, "array": [], "map": {}}
        return (
            plain[document["type"]]
            if document["type"] in plain
            else ""
            if document["type"] in ("bytes", "string")
            else 7
        )

    def document(self) -> Any:
        """The schema as JSON; each named type is defined where it first occurs."""
        return self._written(self.root, set())

    def _written(self, type_: Any, done: set[str]) -> Any:
        if isinstance(type_, list):
            return [self._written(branch, done) for branch in type_]
        if isinstance(type_, dict):
            return {
                key: self._written(value, done) if key in ("items", "values") else value for key, value in type_.items()
            }
        if type_ not in self.types or type_ in done:
            return type_
        done.add(type_)
        found = self.types[type_]
        if "fields" not in found:
            return found
        return found | {"fields": [one | {"type": self._written(one["type"], done)} for one in found["fields"]]}


def without_twins(branches: list[Any]) -> list[Any]:
    """What may stand together in a union: no union, no kind twice."""
    kept: dict[str, Any] = {}
    for branch in branches:
        if not isinstance(branch, list):
            kept.setdefault(branch["type"] if isinstance(branch, dict) else branch, branch)
    return list(kept.values())


def within(type_: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """An array or a map with what it is of changed; other types as they are."""
    return {key: change(value) if key in ("items", "values") else value for key, value in type_.items()}
