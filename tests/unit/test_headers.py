"""Headers are CloudEvents that the writer cannot forge, and whatever it gives arrives as it is or is refused."""

from __future__ import annotations

import json

import pytest

from bridge.encoding.headers import (
    AVRO,
    JSON,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    ce_source,
    event_headers,
    rfc3339,
    shared_headers,
    writer_headers,
)
from bridge.errors import PoisonEvent
from bridge.event import EVENT_QUEUE, Event

AT = 1_795_342_272_123_456  # 2026-11-22 10:11:12.123456 UTC


def test_shared_headers_are_those_of_cloudevents() -> None:
    assert dict(shared_headers("us", EVENT_QUEUE, "thing.made", AVRO)) == {
        "ce_specversion": b"1.0",
        "ce_type": b"thing.made",
        "ce_source": b"/us/event_queue",
        "content-type": b"application/avro",
    }
    assert dict(shared_headers("us", EVENT_QUEUE, "x", JSON))["content-type"] == b"application/json"
    assert ce_source("us", "x") == "/us/x"


def test_headers_of_the_event_itself() -> None:
    event = Event(EVENT_QUEUE, 42, "0190a1b2-1111-7222-8333-444455556666", "thing.made", "Zoë", "{}", None, AT)
    assert dict(event_headers(event)) == {
        "ce_id": "0190a1b2-1111-7222-8333-444455556666",
        "ce_time": "2026-11-22T10:11:12.123456Z",
        "ce_subject": "Zoë",
        "ce_sequence": "0000000000000000042",
    }


def test_an_event_that_is_replayed_says_so() -> None:
    event = Event(EVENT_QUEUE, 42, "id", "thing.made", "k", "{}", None, AT)
    assert event_headers(event._replace(replay_id=7)) == [*event_headers(event), ("bridge_replayed", "7")]


def test_the_sequence_sorts_as_text() -> None:
    texts = [
        dict(event_headers(Event(EVENT_QUEUE, seq, "", "", "", "", None, AT)))["ce_sequence"]
        for seq in (1, 9, 10, 2**63 - 1)
    ]
    assert texts == sorted(texts)
    assert [int(text) for text in texts] == [1, 9, 10, 2**63 - 1]


@pytest.mark.parametrize(
    ("microseconds", "expected"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (AT, "2026-11-22T10:11:12.123456Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, "9999-12-31T23:59:59.999999Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999999Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
        (-62_135_596_800_000_001, "0001-01-01T00:00:00.000000Z"),
        (-(2**63), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_times_are_rfc_3339(microseconds: int, expected: str) -> None:
    assert rfc3339(microseconds) == expected


def test_the_writers_headers_become_text() -> None:
    given = {"traceparent": "00-ab-cd-01", "n": 7, "yes": True, "list": [1, "é"], "none": None, "empty": "", "é": "é"}
    assert writer_headers(json.dumps(given)) == [
        ("traceparent", b"00-ab-cd-01"),
        ("n", b"7"),
        ("yes", b"true"),
        ("list", '[1,"é"]'.encode()),
        ("empty", b""),
        ("é", "é".encode()),
    ]


@pytest.mark.parametrize(
    "text",
    ["123456789012345678901234", "1.10", "-0", "1e2", "1E400", '[1.10,{"a":-0.0}]', "9" * 5000],
)
def test_numbers_arrive_as_they_were_written(text: str) -> None:
    assert writer_headers(f'{{"n": {text}, "t": "x", "yes": true}}') == [
        ("n", text.encode()),
        ("t", b"x"),
        ("yes", b"true"),
    ]


def test_of_two_headers_of_one_name_the_last_counts() -> None:
    assert writer_headers('{"n": 1, "t": "x", "n": 1.10}') == [("n", b"1.10"), ("t", b"x")]


@pytest.mark.parametrize("name", ["ce_id", "CE_ID", "ce_anything", "content-type", "Content-Type", "bridge_error"])
@pytest.mark.parametrize("value", ["forged", None])
def test_reserved_names_are_refused_aloud(name: str, value: str | None) -> None:
    with pytest.raises(PoisonEvent, match=f"the header '{name}' is bridge's own"):
        writer_headers(json.dumps({name: value, "own": "x"}))


def test_a_header_without_a_name_is_left_out() -> None:
    assert writer_headers('{"": "x", "own": "x"}') == [("own", b"x")]


@pytest.mark.parametrize(
    "headers",
    [
        "[]",
        "7",
        "null",
        "{",
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        '{"a": 1, "b": ["\\ud800"]}',
        '{"\\ud800": 1e400}',
        '{"a": ' + "[" * 300 + "]" * 300 + "}",
        '{"a": ' + "[" * 5000 + "]" * 5000 + "}",
        json.dumps({"traceparent": "x" * 20_000}),
        json.dumps({"\0": "x"}),
        json.dumps({"a": "x" * MAX_HEADER_BYTES}),
        json.dumps({str(number): "x" for number in range(MAX_HEADERS + 1)}),
    ],
)
def test_headers_that_kafka_must_not_see_are_poison(headers: str) -> None:
    with pytest.raises(PoisonEvent):
        writer_headers(headers)


def test_as_many_headers_as_allowed_pass() -> None:
    assert len(writer_headers(json.dumps({str(number): "x" for number in range(MAX_HEADERS)}))) == MAX_HEADERS
