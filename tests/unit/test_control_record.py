"""A control record is read by the version before, too: what it does not know, it does without."""

from __future__ import annotations

from uuid import UUID

import orjson
import pytest

from bridge.kafka.control import decode, encode
from bridge.shard.ledger import ControlRecord

FIRST, SECOND = UUID(int=1), UUID(int=2)
RECORD = ControlRecord(7, SECOND, FIRST)


@pytest.mark.parametrize("record", [RECORD, ControlRecord(0, FIRST, None)])
def test_what_is_written_is_read(record: ControlRecord) -> None:
    assert decode(encode(record)) == record


def test_a_newer_version_may_say_more() -> None:
    assert decode(orjson.dumps({**orjson.loads(encode(RECORD)), "more": {"n": 1}})) == RECORD


@pytest.mark.parametrize("missing", ["batch_no", "batch_id", "previous_id"])
def test_what_says_less_is_nobodys(missing: str) -> None:
    """So the shard stops, instead of going on at a guess."""
    said = {key: value for key, value in orjson.loads(encode(RECORD)).items() if key != missing}
    assert decode(orjson.dumps(said)).batch_id is None
