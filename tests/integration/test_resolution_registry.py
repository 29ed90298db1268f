"""Our verdict on schemas beside the registry's own, at each of its levels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from resolution_exceptions import explained
from schema_drafts import Draft
from schema_pairs import Evolution, schema_pairs

from bridge.encoding.avro.compatibility import check, problems
from bridge.encoding.avro.parsing import parse

SEED = int(os.environ.get("BRIDGE_TEST_SEED", "0"))
LEVELS = ["BACKWARD", "FORWARD", "FULL", "BACKWARD_TRANSITIVE", "FORWARD_TRANSITIVE", "FULL_TRANSITIVE", "NONE"]
INVALID = 422  # also what it answers for aliases that fit several fields


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry, "timeout": 30}) as client:
        yield client


def says(client: SchemaRegistryClient, subject: str, document: Any, level: str = "BACKWARD") -> bool:
    """Whether the registry calls the document compatible."""
    ask = client.test_compatibility_all_versions if level.endswith("_TRANSITIVE") else client.test_compatibility
    try:
        return bool(ask(subject, Schema(json.dumps(document), "AVRO")))
    except SchemaRegistryError as error:
        return refused(error)


def refused(error: SchemaRegistryError) -> bool:
    """False: the registry says no, and nothing else is wrong."""
    if error.http_status_code != INVALID:
        raise error
    return False


def registered(client: SchemaRegistryClient, subject: str, documents: list[Any]) -> bool:
    """Register versions without a level; False if the registry cannot parse one of them."""
    try:
        for document in documents:
            client.register_schema(subject, Schema(json.dumps(document), "AVRO"))
    except SchemaRegistryError as error:
        return refused(error)
    return True


@pytest.mark.parametrize(("seed", "count"), [(SEED + 100, 60), pytest.param(SEED + 101, 1500, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_verdicts_are_the_registrys_or_explained(
    client: SchemaRegistryClient, unique: str, seed: int, count: int
) -> None:
    agreed = 0
    for number, (new, former) in enumerate(schema_pairs(seed, count)):
        subject = f"{unique}-{number}"
        if not registered(client, subject, [former]) or not registered(client, f"{subject}-new", [new]):
            continue
        reader, writer = parse(new, "the new"), parse(former, "the former")
        found = problems(reader, writer)
        if says(client, subject, new) == (not found):
            agreed += 1
        else:
            assert explained(reader, writer, found), (new, former)
    assert agreed > 0.9 * count


@pytest.mark.parametrize(("seed", "count"), [(SEED + 200, 12), pytest.param(SEED + 201, 100, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_each_level_is_the_registrys(client: SchemaRegistryClient, unique: str, seed: int, count: int) -> None:
    """Histories of three versions, and a fourth that is to come."""
    seen = dict.fromkeys(LEVELS, 0)
    for number, documents in enumerate(histories(seed, count)):
        subject = f"{unique}-{number}"
        if not registered(client, subject, documents[:-1]) or not registered(client, f"{subject}-new", documents[-1:]):
            continue
        *former, new = [parse(document, f"version {at}") for at, document in enumerate(documents, 1)]
        pairs = [pair for other in former for pair in ((new, other), (other, new))]
        if any(explained(*pair, problems(*pair)) for pair in pairs):
            continue  # the test above has these
        for level in LEVELS:
            client.set_compatibility(subject, level)
            is_compatible = says(client, subject, documents[-1], level)
            assert is_compatible == (not check(new, former, level)), (level, documents)
            seen[level] += is_compatible
    assert seen["BACKWARD"] > seen["BACKWARD_TRANSITIVE"] > 0
    assert seen["FORWARD"] > seen["FULL_TRANSITIVE"]


def histories(seed: int, count: int) -> Iterator[list[Any]]:
    """Four versions of a schema, each of which is another than the one before."""
    random = Random(seed)
    while count:
        versions = [Draft(random)]
        for _ in range(3):
            evolution = Evolution(versions[-1])
            evolution.step()
            evolution.settle()
            versions.append(evolution.draft)
        documents = [version.document() for version in versions]
        if all(json.dumps(one) != json.dumps(other) for one, other in pairwise(documents)):
            count -= 1
            yield documents
