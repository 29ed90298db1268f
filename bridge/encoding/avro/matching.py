"""Which part of a writer's schema a part of the reader's stands for: names, aliases, a union's branches.

Aliases are the reader's. They rename what the writer has, as the specification says; a name that would then mean two
things is ambiguous, because aliases must be as unique as names, and readers differ in what they make of it.
"""

from __future__ import annotations

from typing import Final

from bridge.encoding.avro.nodes import Field, Named, Node, Record, Schema, Union

PROMOTIONS: Final = {  # by what is written: what it may be read as
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


class Ambiguous(Exception):
    """One name stands for several; `ours` and `theirs` say which, of the reader and of the writer."""

    def __init__(self, ours: str, theirs: str) -> None:
        super().__init__(ours, theirs)
        self.ours, self.theirs = ours, theirs


def renamed(named: Named, reader: Schema) -> str:
    """The full name that a type of the writer has for the reader, whose aliases count. Raises Ambiguous."""
    claims = reader.claims.get(named.name, ())
    if len(claims) > 1:
        raise Ambiguous(" or ".join(one.name for one in claims[:5]), named.name)
    return claims[0].name if claims else named.name


def are_one(ours: Node, theirs: Node, reader: Schema) -> bool:
    """False for two named types of one kind whose names, without namespaces, differ. Raises Ambiguous."""
    if not (isinstance(ours, Named) and isinstance(theirs, Named) and ours.kind == theirs.kind):
        return True
    return renamed(theirs, reader).rpartition(".")[2] == ours.short_name


def branch(union: Union, written: Node, reader: Schema) -> Node | None:
    """The branch of the reader's union that reads what is written, which is no union; None if there is none.

    The one that has exactly its type, or else the first that it is promoted to; of named ones that of its full name,
    or else the first whose name without the namespace it has. Raises Ambiguous.
    """
    if isinstance(written, Named):
        name = renamed(written, reader)
        found = union.by_name.get((written.kind, name))
        return found or union.by_name.get((written.kind, name.rpartition(".")[2]))
    if exact := union.by_kind.get(written.kind):
        return exact[0]
    promoted = PROMOTIONS.get(written.kind, ())
    return next((one for one in union.branches if one.kind in promoted), None)


def fields(reader: Record, writer: Record) -> dict[str, Field | Ambiguous | None]:
    """For each field of the reader, by its name: the writer's, None where there is none, or why that is open."""
    found: dict[str, list[Field]] = {one.name: [] for one in reader.fields}
    contested: dict[str, Ambiguous] = {}
    for theirs in writer.fields:
        own = reader.by_name.get(theirs.name)
        claims = dict.fromkeys([*([own] if own else []), *reader.by_alias.get(theirs.name, ())])
        for one in claims:
            found[one.name].append(theirs)
            if len(claims) > 1:
                contested[one.name] = Ambiguous(" and ".join(each.name for each in claims), theirs.name)
    for name, written in found.items():
        if len(written) > 1:
            contested[name] = Ambiguous(name, " and ".join(each.name for each in written))
    return {name: contested.get(name) or (written[0] if written else None) for name, written in found.items()}
