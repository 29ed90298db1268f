"""Whether records written with one schema can be read, rightly, with another: Avro's schema resolution.

No branch of a union is tried and given up: names and kinds choose it. So each pair of types that meet is compared
once, whatever recursion there is, and what is found in it is a problem. Where this differs from what registries ask,
Avro's Java `SchemaCompatibility`, docs/compatibility.md says so, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bridge.encoding.avro import matching
from bridge.encoding.avro.defaults import fits
from bridge.encoding.avro.matching import PROMOTIONS, Ambiguous
from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.nodes import LOGICAL_TYPES, Array, Enum, Fixed, Map, Node, Record, Schema, Union
from bridge.encoding.avro.paths import below, branches
from bridge.encoding.avro.problem import Problem, Rule, problem

MAX_PAIRS: Final = 100_000  # of types that meet; a schema written to be compared for ever has more
MAX_PROBLEMS: Final = 1000
LEVELS: Final = ("BACKWARD", "FORWARD", "FULL")  # each also _TRANSITIVE, and NONE
SHOWN: Final = 5  # of many symbols

Step = tuple[Node, Node, str]  # a type of the reader, one of the writer, and the path


def problems(reader: Schema, writer: Schema, *, writer_is_new: bool = False) -> tuple[Problem, ...]:
    """All that keeps `reader` from reading what was written with `writer`; none: it can read all of it.

    `writer_is_new`: the writer's schema is the one that can still be changed, which the mends then speak of.
    """
    if meaning(reader) == meaning(writer):
        return ()
    return tuple(_Comparison(reader, writer, writer_is_new).problems())


def check(new: Schema, former: Sequence[Schema], level: str) -> tuple[Problem, ...]:
    """What is wrong with `new` behind the versions `former`, oldest first, at a registry's compatibility level.

    BACKWARD: `new` reads what the last was written with; FORWARD: the last reads `new`; FULL: both. With _TRANSITIVE
    all former ones count, and with NONE nothing does. Raises ValueError for another level.
    """
    direction = level.removesuffix("_TRANSITIVE")
    if level == "NONE":
        return ()
    if direction not in LEVELS:
        raise ValueError(f"{level} is no compatibility level")
    found: list[Problem] = []
    for other in reversed(former if direction != level else former[-1:]):
        if direction in ("BACKWARD", "FULL"):
            found += problems(new, other)
        if direction in ("FORWARD", "FULL"):
            found += problems(other, new, writer_is_new=True)
    return tuple(found)


class _Comparison:
    def __init__(self, reader: Schema, writer: Schema, writer_is_new: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._writer_is_new = writer_is_new

    def problems(self) -> Iterator[Problem]:
        """In the order of the reader's schema."""
        waiting: list[Step] = [(self._reader.root, self._writer.root, "$")]
        met: set[tuple[int, int]] = set()
        count = 0
        while waiting:
            ours, theirs, path = waiting.pop()
            if (id(ours), id(theirs)) in met:
                continue
            met.add((id(ours), id(theirs)))
            found = list(self._pair(ours, theirs, path))
            of_pair = [one for one in found if isinstance(one, Problem)]
            yield from of_pair
            count += len(of_pair)
            if len(met) == MAX_PAIRS or count > MAX_PROBLEMS:
                yield self._problem(Rule.TOO_LARGE, path, f"{len(met)} pairs of types and {count} problems", "")
                return
            waiting += reversed([one for one in found if not isinstance(one, Problem)])

    def _pair(self, ours: Node, theirs: Node, path: str) -> Iterable[Problem | Step]:
        """What is wrong between two types themselves, and the pairs of types within them."""
        try:
            if isinstance(theirs, Union):
                return [(ours, one, place) for one, place in branches(path, theirs)]
            if isinstance(ours, Union):
                chosen = matching.branch(ours, theirs, self._reader)
                if chosen is None:
                    return [self._problem(Rule.UNION_BRANCH_MISSING, path, ours, theirs)]
                return [(chosen, theirs, path)]
            if not matching.are_one(ours, theirs, self._reader):
                return [self._problem(Rule.NAME_MISMATCH, path, ours, theirs)]
        except Ambiguous as open_:
            return [self._problem(Rule.TYPE_ALIAS_AMBIGUOUS, path, open_.ours, open_.theirs)]
        if ours.kind != theirs.kind and ours.kind not in PROMOTIONS.get(theirs.kind, ()):
            rule = Rule.NULL_NOT_READ if theirs.kind == "null" else Rule.TYPE_MISMATCH
            return [self._problem(rule, path, ours, theirs)]
        return [*self._logical(ours, theirs, path), *self._content(ours, theirs, path)]

    def _content(self, ours: Node, theirs: Node, path: str) -> Iterable[Problem | Step]:
        match ours, theirs:
            case Record(), Record():
                return self._record(ours, theirs, path)
            case Array(), Array():
                return [(ours.items, theirs.items, below(path, "[]"))]
            case Map(), Map():
                return [(ours.values, theirs.values, below(path, "{}"))]
            case Fixed(), Fixed() if ours.size != theirs.size:
                return [self._problem(Rule.FIXED_SIZE, path, ours.size, theirs.size)]
            case Enum(), Enum() if ours.default is None:
                known = set(ours.symbols)
                if unknown := [symbol for symbol in theirs.symbols if symbol not in known]:
                    more = ", ..." if len(unknown) > SHOWN else ""
                    symbols = ", ".join(unknown[:SHOWN]) + more
                    return [self._problem(Rule.ENUM_SYMBOL_MISSING, path, ours.name, symbols)]
        return ()

    def _record(self, ours: Record, theirs: Record, path: str) -> Iterator[Problem | Step]:
        written = matching.fields(ours, theirs)
        for field in ours.fields:
            place, found = below(path, f".{field.name}"), written[field.name]
            if isinstance(found, Ambiguous):
                yield self._problem(Rule.FIELD_ALIAS_AMBIGUOUS, place, found.ours, found.theirs)
            elif found is not None:
                yield field.type, found.type, place
            elif not field.has_default:
                yield self._problem(Rule.READER_FIELD_MISSING_DEFAULT, place, field.name, "")
            elif not fits(field.default, field.type):
                yield self._problem(Rule.READER_FIELD_INVALID_DEFAULT, place, field.name, field.type)

    def _logical(self, ours: Node, theirs: Node, path: str) -> Iterator[Problem]:
        """Where both say what the bytes mean, they say the same; where one does not, its reader gets the plain type."""
        mine, other = ours.logical, theirs.logical
        if mine is None or other is None or mine.name not in LOGICAL_TYPES or other.name not in LOGICAL_TYPES:
            return
        if mine.name != other.name:
            yield self._problem(Rule.LOGICAL_TYPE, path, ours, theirs)
        elif mine.scale != other.scale:
            yield self._problem(Rule.DECIMAL_SCALE, path, ours, theirs)
        elif mine.precision < other.precision:
            yield self._problem(Rule.DECIMAL_PRECISION, path, ours, theirs)

    def _problem(self, rule: Rule, path: str, ours: object, theirs: object) -> Problem:
        titles = {"reader": self._reader.title, "writer": self._writer.title}
        return problem(rule, path, writer_is_new=self._writer_is_new, ours=ours, theirs=theirs, **titles)
