"""What changed within a type: its names, a record's fields, a union's branches, an enum's symbols."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from bridge.encoding.avro.nodes import Field, Named, Node, Record, Union
from bridge.encoding.avro.paths import below, branches

SHOWN: Final = 5  # of many names
LONGEST: Final = 60  # characters of a default

Step = tuple[Node, Node, str]  # a type as it was, as it is, and where


@dataclass(frozen=True)
class Difference:
    """One change, at a path in the new schema's names as in `Problem`.

    `counts`: records may be written or read differently for it; documentation and the sort order do not count.
    """

    path: str
    text: str
    counts: bool = True


def names(was: Named, now: Named, path: str) -> Iterator[Difference]:
    """Of two named types, and whether the former name is still known."""
    if was.name != now.name:
        is_known = was.name in now.aliases
        how = "which is an alias now" if is_known else "which is no alias: Java readers may not find it in a union"
        yield Difference(path, f"was called {was.name}, {how}, and is called {now.name}")
    elif set(was.aliases) != set(now.aliases):
        yield Difference(path, f"had the aliases {_some(was.aliases)}, and has {_some(now.aliases)}")


def fields(was: Record, now: Record, path: str) -> Iterator[Difference | Step]:
    """Of two records: fields by their name, or by an alias that was a name."""
    left = dict(was.by_name)
    for field in now.fields:
        place = below(path, f".{field.name}")
        former = left.pop(field.name, None)
        if former is None:
            alias = next((alias for alias in field.aliases if alias in left and alias not in now.by_name), None)
            if alias is None:
                how = f"with the default {_value(field.default)}" if field.has_default else "without a default"
                yield Difference(place, f"is new: {field.type}, {how}")
                continue
            former = left.pop(alias)
            yield Difference(place, f"was called {alias}, which is an alias now")
        yield from _field(former, field, place)
    for name, gone in left.items():
        yield Difference(below(path, f".{name}"), f"is gone: it was {gone.type}")
    kept = [field.name for field in now.fields if field.name in was.by_name]
    if kept != [field.name for field in was.fields if field.name in now.by_name]:
        yield Difference(path, "has its fields in another order")


def _field(was: Field, now: Field, place: str) -> Iterator[Difference | Step]:
    if was.has_default != now.has_default or _value(was.default) != _value(now.default):
        before, after = (_value(one.default) if one.has_default else "none" for one in (was, now))
        yield Difference(place, f"had for a default {before}, and has {after}")
    if was.name == now.name and set(was.aliases) != set(now.aliases):
        yield Difference(place, f"had the aliases {_some(was.aliases)}, and has {_some(now.aliases)}")
    if was.doc != now.doc:
        yield Difference(place, "has other documentation", counts=False)
    if was.order != now.order:
        yield Difference(place, f"was sorted {was.order}, and is sorted {now.order}", counts=False)
    yield was.type, now.type, place


def union(was: Union, now: Union, path: str) -> Iterator[Difference | Step]:
    """Branches by their kind, and of named types by their name, by an alias, or because no other is left."""
    left = {_branch_name(one): one for one in was.branches}
    common: list[str] = []
    fresh: list[tuple[Node, str]] = []
    for branch, place in branches(path, now):
        names = [_branch_name(branch), *(branch.aliases if isinstance(branch, Named) else ())]
        name = next((name for name in names if name in left), None)
        if name is None:
            fresh.append((branch, place))
        else:
            common.append(name)
            yield left.pop(name), branch, place
    if len(fresh) == len(left) == 1:
        ((name, former),), ((branch, place),) = left.items(), fresh
        yield former, branch, place
        return
    for branch, _ in fresh:
        yield Difference(path, f"may be {branch} now")
    for former in left.values():
        yield Difference(path, f"is never {former} now")
    if common != [name for name in map(_branch_name, was.branches) if name in common]:
        yield Difference(path, "has its branches in another order")


def listed(was: tuple[str, ...], now: tuple[str, ...], what: str, path: str) -> Iterator[Difference]:
    """Of two lists of names: what is new, what is gone, and another order of the rest."""
    before, after = set(was), set(now)
    if new := [one for one in now if one not in before]:
        yield Difference(path, f"has the new {what}{'s' * (len(new) > 1)} {_some(new)}")
    if gone := [one for one in was if one not in after]:
        yield Difference(path, f"has no {what}{'s' * (len(gone) > 1)} {_some(gone)} now")
    if [one for one in now if one in before] != [one for one in was if one in after]:
        yield Difference(path, f"has its {what}s in another order")


def _branch_name(branch: Node) -> str:
    return branch.name if isinstance(branch, Named) else branch.kind


def _some(names: Iterable[str]) -> str:
    given = list(names)
    return ", ".join(given[:SHOWN]) + (", ..." if len(given) > SHOWN else "") if given else "none"


def _value(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    except TypeError:  # no default
        return "none"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
