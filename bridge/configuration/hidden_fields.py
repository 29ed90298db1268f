"""Whether what a route hides can be hidden, as far as its schema tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from bridge.configuration.knobs import shown
from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.hideable import Hideable, hideable
from bridge.settings import Route


class Trouble(NamedTuple):
    """What is wrong with a name in one of the route's keys, `drop` or `mask`."""

    key: str
    message: str
    hint: str


def hiding_troubles(route: Route, schema: AvroSchema) -> Iterator[Trouble]:
    """A mask of what is not there or is no text, and a drop of what every record needs.

    A drop of what the schema does not know is none: it keeps out what would not fit.
    """
    known = hideable(route, schema) if route.drop or route.mask else None
    if known is None:
        return
    file = f"{schema.subject}.avsc"
    for name in route.mask:
        if name not in known:
            yield Trouble("mask", f"names {shown(name)}, which {file} does not have", _meant(name, known))
        elif not known[name].may_be_masked:
            message = f"names {shown(name)}, which is no text in {file}: every event that has it would be dead"
            yield Trouble("mask", message, "Name it in drop, or make it text there")
    for name in route.drop:
        if name in known and not known[name].may_be_dropped:
            message = f"names {shown(name)}, which has no default in {file}: every event would be dead"
            yield Trouble("drop", message, "Give it a default there, or remove it there")


def _meant(name: str, known: Mapping[str, Hideable]) -> str:
    found = get_close_matches(name, known, n=1)
    if found:
        return f"Did you mean {shown(found[0])}?"
    return "Correct it, or name it in drop, which takes it out whether the schema has it or not"
