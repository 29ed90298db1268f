"""Random pairs of Avro schemas of which one might have become the other: most are compatible, or nearly."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from schema_drafts import FIELDS, LOGICAL, PLAIN, SPACES, SYMBOLS, Draft, within, without_twins


class Evolution:
    """Changes to a draft, as people make them."""

    def __init__(self, draft: Draft) -> None:
        self.draft = copy.deepcopy(draft)
        self.random = draft.random

    def step(self) -> None:
        changes: list[Callable[[], None]] = [self._fields, self._fields, self._type_of_field, self._type_of_field]
        self.random.choice([*changes, self._symbols, self._size, self._names, self._logical, self._twin])()

    def _some(self, kind: str) -> dict[str, Any] | None:
        found = [one for one in self.draft.types.values() if one["type"] == kind]
        return self.random.choice(found) if found else None

    def _fields(self) -> None:
        record = self._some("record")
        if record is None:
            return
        fields = record["fields"]
        free = [name for name in FIELDS if name not in {one["name"] for one in fields}]
        what = self.random.randint(0, 5)
        if what <= 1 and free:
            type_ = self.random.choice(["int", "string", ["null", "string"], *self.draft.types])
            one = self.draft.field(self.random.choice(free), type_)
            if self.random.random() < 0.3:
                one["aliases"] = [self.random.choice(FIELDS)]
            fields.insert(self.random.randint(0, len(fields)), one)
        elif what == 2 and fields:
            fields.pop(self.random.randrange(len(fields)))
        elif what == 3:
            self.random.shuffle(fields)
        elif fields:
            one = self.random.choice(fields)
            if what == 4 and free:
                aliases = [one["name"]] if self.random.random() < 0.6 else []
                one.update(name=self.random.choice(free), **({"aliases": aliases} if aliases else {}))
            elif what == 4:
                one["aliases"] = [self.random.choice([*FIELDS, "f8", "f9"])]
            elif "default" in one:
                del one["default"]
            else:
                one.update(self.draft.field(one["name"], one["type"]))

    def _type_of_field(self) -> None:
        record = self._some("record")
        if record is None or not record["fields"]:
            self.draft.root = self._changed(self.draft.root)
            return
        one = self.random.choice(record["fields"])
        one["type"] = self._changed(one["type"])
        one.pop("default", None)
        one.update(self.draft.field(one["name"], one["type"]))

    def _changed(self, type_: Any) -> Any:
        if isinstance(type_, list):
            return self._changed_union(type_)
        what = self.random.randint(0, 5)
        if isinstance(type_, dict) and what <= 2 and type_["type"] in ("array", "map"):
            return within(type_, self._changed)
        if what <= 1:
            return without_twins(self.random.choice([["null", type_], [type_, "null"], [type_, "string"], [type_]]))
        if what <= 3:
            wider = {"int": "long", "long": "double", "float": "double", "string": "bytes", "bytes": "string"}
            plain = type_["type"] if isinstance(type_, dict) else type_
            return wider.get(plain, type_)
        return self.random.choice([*PLAIN, *LOGICAL, *self.draft.types])

    def _changed_union(self, branches: list[Any]) -> Any:
        what = self.random.randint(0, 4)
        if what == 0 and branches:
            return self.random.choice(branches)
        if what == 1:
            return self.random.sample(branches, len(branches))
        if what == 2 and branches:
            left = self.random.randrange(len(branches))
            return [branch for at, branch in enumerate(branches) if at != left]
        if what == 3 and branches:
            changed = self.random.randrange(len(branches))
            return without_twins([self._changed(one) if at == changed else one for at, one in enumerate(branches)])
        return without_twins([*branches, self.random.choice([*PLAIN, *self.draft.types])])

    def _symbols(self) -> None:
        enum = self._some("enum")
        if enum is None:
            return
        enum["symbols"] = self.random.sample(SYMBOLS, self.random.randint(1, 4))
        enum.pop("default", None)
        if self.random.random() < 0.4:
            enum["default"] = self.random.choice(enum["symbols"])

    def _size(self) -> None:
        if fixed := self._some("fixed"):
            fixed["size"] = self.random.choice([2, 3, 4])

    def _names(self) -> None:
        if not self.draft.types:
            return
        former = self.random.choice(sorted(self.draft.types))
        space, _, short = former.rpartition(".")
        name = self.random.choice([f"{space}.{short}r", f"{self.random.choice(SPACES)}.{short}"])
        if name in self.draft.types:
            return
        types = self.draft.types
        types[name] = types.pop(former)
        types[name]["name"] = name
        if self.random.random() < 0.1:  # an alias that is another's name
            types[name]["aliases"] = [self.random.choice(sorted(types))]
        if self.random.random() < 0.6:
            types[name]["aliases"] = [*types[name].get("aliases", []), former]
        self.draft.root = _renamed(self.draft.root, former, name)
        for one in types.values():
            for field in one.get("fields", ()):
                field["type"] = _renamed(field["type"], former, name)

    def _logical(self) -> None:
        for one in self.draft.types.values():
            for field in one.get("fields", ()):
                if isinstance(field["type"], dict) and "logicalType" in field["type"]:
                    underlying = [other for other in LOGICAL if other["type"] == field["type"]["type"]]
                    field["type"] = self.random.choice([*underlying, field["type"]["type"]])
                    return

    def _twin(self) -> None:
        """Beside a type another of its short name, somewhat changed, in a union with it."""
        if not (record := self._some("record")):
            return
        space, _, short = record["name"].rpartition(".")
        name = f"{self.random.choice([one for one in SPACES if one != space])}.{short}"
        if name not in self.draft.types and record["fields"]:
            less = self.random.sample(record["fields"], self.random.randint(0, len(record["fields"]) - 1))
            self.draft.types[name] = record | {"name": name, "fields": copy.deepcopy(less)}
            self.draft.root = self.random.choice([[name, record["name"]], [record["name"], name]])

    def settle(self) -> None:
        """Give every default a value that its type, which may have changed, still allows."""
        for one in self.draft.types.values():
            for field in one.get("fields", ()):
                if field.pop("default", Draft) is not Draft:
                    value = self.draft.default(field["type"], 0)
                    field.update({} if value is Draft else {"default": value})


def _renamed(type_: Any, former: str, name: str) -> Any:
    if isinstance(type_, list):
        return [_renamed(branch, former, name) for branch in type_]
    if isinstance(type_, dict):
        return {
            key: _renamed(value, former, name) if key in ("items", "values") else value for key, value in type_.items()
        }
    return name if type_ == former else type_


def schema_pairs(seed: int, count: int) -> Iterator[tuple[Any, Any]]:
    """`count` pairs of documents, the same ones for a seed."""
    random = Random(seed)
    for _ in range(count):
        draft = Draft(random)
        other = Evolution(draft)
        for _ in range(random.choice([0, 1, 1, 1, 2, 2, 3, 5])):
            other.step()
        other.settle()
        pair = [draft.document(), other.draft.document()]
        random.shuffle(pair)
        yield pair[0], pair[1]
