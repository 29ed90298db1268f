"""Our verdict on pairs of schemas beside that of Avro's own Java code, and what its reader makes of real records."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from java import Java
from resolution_exceptions import EXCEPTIONS, TWINS, explained
from schema_pairs import schema_pairs

from bridge.encoding.avro.compatibility import problems
from bridge.encoding.avro.nodes import Schema
from bridge.encoding.avro.parsing import parse
from bridge.encoding.avro.problem import Problem, Rule

SOURCE = Path(__file__).with_name("Resolution.java")
VALUES = Path(__file__).with_name("Values.java")
SEED = int(os.environ.get("BRIDGE_TEST_SEED", "0"))
RUNS = [(SEED, 400), *(pytest.param((SEED + n, 8000), marks=pytest.mark.long) for n in range(1, 6))]
# Faults of Java's reader, not of the schemas, about which its `SchemaCompatibility` says with us that all can be read.
READERS_FAULTS = (
    "failed: Invalid default for field",  # the writer's defaults, which nobody needs, after its fields were renamed
    "failed: Not an array",  # a reader's default for a union
    "failed: Found",  # an enum or a fixed in a union whose namespace differs; docs/compatibility.md tells of it
)


class Judged(NamedTuple):
    """A pair, what we say about it, and what Java does: its verdict, and how reading random records went."""

    reader: Schema
    writer: Schema
    problems: tuple[Problem, ...]
    verdict: str
    reading: str
    pair: str

    @property
    def agrees(self) -> bool:
        return (not self.problems) == (self.verdict == "COMPATIBLE")


def judged(java: Java, pairs: list[tuple[Any, Any]]) -> list[Judged]:
    lines = [f"{json.dumps(reader)}\t{json.dumps(writer)}" for reader, writer in pairs]
    answers = java.run(SOURCE, given="\n".join(lines) + "\n").splitlines()
    found = []
    for (reader, writer), line, answer in zip(pairs, lines, answers, strict=True):
        verdict, reading = answer.split("\t")
        ours, theirs = parse(reader, "the reader"), parse(writer, "the writer")
        found.append(Judged(ours, theirs, problems(ours, theirs), verdict, reading, line))
    return found


@pytest.fixture(scope="module", params=RUNS, ids=lambda run: f"seed-{run[0]}")
def found(request: pytest.FixtureRequest, java: Java) -> list[Judged]:
    """All pairs of a seed that Java could parse: some defaults within recursive types it cannot."""
    seed, count = request.param
    pairs = [one for one in judged(java, list(schema_pairs(seed, count))) if one.verdict != "UNPARSED"]
    assert len(pairs) > 0.98 * count
    return pairs


@pytest.mark.timeout(900)
def test_verdicts_are_javas_or_explained(found: list[Judged]) -> None:
    verdicts = Counter(one.verdict for one in found)
    assert min(verdicts["COMPATIBLE"], verdicts["INCOMPATIBLE"]) > len(found) / 5
    others = [one for one in found if not one.agrees]
    print(verdicts, Counter(explained(one.reader, one.writer, one.problems) for one in others))
    assert not [one for one in others if explained(one.reader, one.writer, one.problems) is None]


@pytest.mark.timeout(900)
def test_what_we_let_pass_javas_reader_reads(found: list[Judged]) -> None:
    passed = [one for one in found if not one.problems]
    failed = [one for one in passed if one.reading.startswith("failed")]
    assert sum(one.reading == "read" for one in passed) > len(found) / 3
    assert not [one for one in failed if one.verdict != "COMPATIBLE" or not one.reading.startswith(READERS_FAULTS)]


@pytest.mark.timeout(900)
def test_where_the_first_branch_counts_javas_reader_mostly_fails_too(found: list[Judged]) -> None:
    """So it is no hair-splitting: `SchemaCompatibility` calls compatible what its own reader does not read."""
    twins = [one for one in found if not one.agrees and explained(one.reader, one.writer, one.problems) == TWINS]
    assert sum(one.reading == "read" for one in twins) <= len(twins) / 2


def test_what_registries_let_through_is_read_wrong(java: Java) -> None:
    """Why another scale, or another logical type, is a problem, although Java calls the schemas compatible."""

    def decimal(precision: int, scale: int) -> Any:
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}

    millis, micros = ({"type": "long", "logicalType": f"timestamp-{unit}"} for unit in ("millis", "micros"))
    cases = [
        (decimal(9, 2), decimal(9, 2), 1999, "19.99", []),
        (decimal(9, 3), decimal(9, 2), 1999, "1.999", [Rule.DECIMAL_SCALE]),
        (millis, millis, 1_700_000_000_000, "2023-11-14T22:13:20Z", []),
        (micros, millis, 1_700_000_000_000, "1970-01-20T16:13:20Z", [Rule.LOGICAL_TYPE]),
    ]
    lines = [f"{json.dumps(reader)}\t{json.dumps(writer)}\t{number}\n" for reader, writer, number, *_ in cases]
    assert java.run(VALUES, given="".join(lines)).splitlines() == [value for _, _, _, value, _ in cases]
    for reader, writer, _, _, rules in cases:
        assert [one.rule for one in problems(parse(reader), parse(writer))] == rules
    schemas = [(reader, writer) for reader, writer, *_ in cases]
    assert [one.verdict for one in judged(java, schemas)] == ["COMPATIBLE"] * len(cases)


def test_the_exceptions_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/compatibility.md").read_text()
    assert {name for name in EXCEPTIONS if f"*{name}*" not in text} == set()
