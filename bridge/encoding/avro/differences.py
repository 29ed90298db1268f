"""What changed between two versions of a schema, for people; what it breaks is `compatibility`'s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bridge.encoding.avro.changes import Difference, Step, fields, listed, names, union
from bridge.encoding.avro.nodes import Array, Enum, Fixed, Map, Named, Node, Record, Schema, Union
from bridge.encoding.avro.paths import below
from bridge.encoding.avro.problem import shortened

MAX_PAIRS: Final = 20_000  # of types; nobody would read further


def differences(old: Schema, new: Schema) -> tuple[Difference, ...]:
    """What changed from `old` to `new`, in the order of `new`; a type that is used twice is told once."""
    found: list[Difference] = []
    waiting: list[Step] = [(old.root, new.root, "$")]
    met: set[tuple[int, int]] = set()
    while waiting and len(met) < MAX_PAIRS:
        was, now, path = waiting.pop()
        if (id(was), id(now)) not in met:
            met.add((id(was), id(now)))
            parts = list(_pair(was, now, path))
            told = [one for one in parts if isinstance(one, Difference)]
            found += [replace(one, text=shortened(one.text)) for one in told]
            waiting += reversed([one for one in parts if not isinstance(one, Difference)])
    if waiting:
        found.append(Difference("$", "there is more, which was not looked at"))
    return tuple(found)


def _pair(was: Node, now: Node, path: str) -> Iterator[Difference | Step]:
    match was, now:
        case Union(), Union():
            yield from union(was, now, path)
        case Union(), _ if (inner := _nullable(was)) is not None:
            yield Difference(path, "is never null now")
            yield inner, now, path
        case _, Union() if (inner := _nullable(now)) is not None:
            yield Difference(path, "may be null now")
            yield was, inner, path
        case _ if was.kind != now.kind:
            yield Difference(path, f"was {was}, and is {now}")
        case _:
            yield from _of_one_kind(was, now, path)


def _of_one_kind(was: Node, now: Node, path: str) -> Iterator[Difference | Step]:
    if was.logical != now.logical:
        yield Difference(path, f"was {_meant(was)}, and is {_meant(now)}")
    if isinstance(was, Named) and isinstance(now, Named):
        yield from names(was, now, path)
    if was.doc != now.doc:
        yield Difference(path, "has other documentation", counts=False)
    match was, now:
        case Record(), Record():
            yield from fields(was, now, path)
        case Array(), Array():
            yield was.items, now.items, below(path, "[]")
        case Map(), Map():
            yield was.values, now.values, below(path, "{}")
        case Fixed(), Fixed() if was.size != now.size:
            yield Difference(path, f"had {was.size} bytes, and has {now.size}")
        case Enum(), Enum():
            yield from listed(was.symbols, now.symbols, "symbol", path)
            if was.default != now.default:
                before, after = (f"the default {one.default}" if one.default else "no default" for one in (was, now))
                yield Difference(path, f"for symbols that are not known had {before}, and has {after}")


def _nullable(union: Union) -> Node | None:
    """The one branch beside null; None where there are more, or no null."""
    others = [one for one in union.branches if one.kind != "null"]
    return others[0] if len(others) == 1 and len(union.branches) == 2 else None


def _meant(node: Node) -> str:
    return str(node.logical or f"plain {node.kind}")
