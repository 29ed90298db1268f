"""Event to record: all of it together, and the copies of dead events."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.encoder import MOST_TYPES, Encoder
from bridge.encoding.headers import MAX_HEADER_BYTES, MAX_HEADERS
from bridge.encoding.limits import TopicLimits
from bridge.encoding.record import FRAMING_BYTES, size
from bridge.errors import (
    ConfigError,
    EncodingError,
    LimitsUnsure,
    PoisonEvent,
    RecordTooLarge,
    RegistryUnavailable,
    TopicUnwritable,
    UnroutableEvent,
)
from bridge.event import CHANGED, EVENT_QUEUE, DeadLetter, Event, Record
from bridge.settings import Encoding, RelaySettings, Route, Settings, TopicSettings

AT = 1_795_342_272_123_456
SCHEMA: dict[str, Any] = {"type": "record", "name": "Made", "fields": [{"name": "text", "type": "string"}]}
MENDED = SCHEMA | {"fields": [*SCHEMA["fields"], {"name": "more", "type": "string"}]}


class KnownIds:
    """In place of a registry: an id for every subject, or none at all."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    def schema_id(self, _: AvroSchema) -> int:
        self.asked += 1
        if self.away:
            raise RegistryUnavailable("away")
        return 258


@pytest.fixture
def ids() -> KnownIds:
    return KnownIds()


@pytest.fixture
def encoder(tmp_path: Path, ids: KnownIds) -> Encoder:
    (tmp_path / "things-Made.avsc").write_text(json.dumps(SCHEMA))
    settings = Settings(
        relay=RelaySettings(name="us"),
        topics=TopicSettings(dead_letters="dead"),
        routes=(Route("thing.made", "things", "things-Made"),),
        schemas=tmp_path,
    )
    return Encoder(settings, ids.schema_id, TopicLimits({"things": 2000, "dead": 2000}))


def test_an_event_is_too_large_only_by_a_limit_that_is_known_now(encoder: Encoder) -> None:
    large = event(json.dumps({"text": "x" * 2000}))
    with pytest.raises(RecordTooLarge):
        encoder.record(large)
    encoder.expect_change()
    with pytest.raises(LimitsUnsure):
        encoder.record(large)
    encoder.record(event())


def test_headers_may_be_what_makes_an_event_too_large(ids: KnownIds, tmp_path: Path) -> None:
    """The route's and the writer's, each as large as they may be."""
    most = {f"{number:03}": "x" * (MAX_HEADER_BYTES // MAX_HEADERS - 4) for number in range(MAX_HEADERS)}
    headers = tuple((f"r{name}", text) for name, text in most.items())
    given = event(json.dumps({"text": "x" * 1000}), headers=json.dumps({f"w{name}": most[name] for name in most}))
    encoder = with_route(json_route(headers=headers), ids, tmp_path)
    limit = size(encoder.record(given)) - 1
    encoder._limits.update(lambda: {"things": limit})
    with pytest.raises(RecordTooLarge, match=f"accepts {limit}"):
        encoder.record(given)


def event(payload: str = '{"text": "x"}', **more: object) -> Event:
    given = {"key": "k", "headers": None, "event_type": "thing.made", "created_us": AT} | more
    return Event(source=EVENT_QUEUE, seq=7, id="0190a1b2-1111-7222-8333-444455556666", payload=payload, **given)


def test_a_record_is_complete(encoder: Encoder) -> None:
    record = encoder.record(event(key="Zoë", headers='{"traceparent": "00-1-2-01"}'))
    assert record == Record(
        topic="things",
        key="Zoë".encode(),
        value=b"\x00\x00\x00\x01\x02\x02x",
        headers=[
            ("ce_specversion", b"1.0"),
            ("ce_type", b"thing.made"),
            ("ce_source", b"/us/event_queue"),
            ("content-type", b"application/avro"),
            ("ce_id", "0190a1b2-1111-7222-8333-444455556666"),
            ("ce_time", "2026-11-22T10:11:12.123456Z"),
            ("ce_subject", "Zoë"),
            ("ce_sequence", "0000000000000000007"),
            ("traceparent", b"00-1-2-01"),
        ],
        timestamp_ms=AT // 1000,
    )


def test_an_id_that_was_asked_for_before_all_were_forgotten_does_not_come_back(encoder: Encoder, ids: KnownIds) -> None:
    """Another thread finds out meanwhile that the registry has lost what it had."""
    answers = iter([1, 2])

    def lost(_: AvroSchema) -> int:
        answer = next(answers)
        if answer == 1:
            encoder.forget()
        return answer

    encoder._schema_id = lost
    assert [encoder.record(event()).value[4] for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("created_us", [2**63 - 1, -1, -(2**63)])
def test_a_record_is_never_of_the_future_or_before_kafkas_time(encoder: Encoder, created_us: int) -> None:
    assert 0 <= encoder.record(event(created_us=created_us)).timestamp_ms <= time.time_ns() // 1_000_000


def test_the_id_is_asked_for_once_a_type(encoder: Encoder, ids: KnownIds) -> None:
    for _ in range(3):
        encoder.record(event())
    assert ids.asked == 1


def test_a_failure_to_get_the_id_is_not_remembered(encoder: Encoder, ids: KnownIds) -> None:
    ids.away = True
    with pytest.raises(RegistryUnavailable):
        encoder.record(event())
    ids.away = False
    assert encoder.record(event()).topic == "things"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (event(event_type="other"), UnroutableEvent),
        (event('{"text": 1}'), EncodingError),
        (event("null"), EncodingError),
        (event(headers="[]"), PoisonEvent),
        (event(json.dumps({"text": "x" * 2000})), RecordTooLarge),
        (event(key="k" * 1000), RecordTooLarge),
        (event(headers=json.dumps({"h": "x" * 2000})), RecordTooLarge),
    ],
)
def test_poison_is_refused_and_becomes_a_dead_letter(encoder: Encoder, given: Event, error: type[PoisonEvent]) -> None:
    with pytest.raises(error) as refused:
        encoder.record(given)
    letter = encoder.dead_letter(DeadLetter(given, str(refused.value)))
    headers = dict(letter.headers)
    assert (letter.topic, letter.timestamp_ms) == ("dead", AT // 1000)
    assert given.key.encode().startswith(letter.key)
    assert headers["ce_id"] == given.id
    assert headers["ce_type"] == given.event_type.encode()
    assert headers["content-type"] == b"application/json"
    assert headers["bridge_error"] == str(refused.value).encode()[:200]
    assert (headers["bridge_source"], headers["bridge_seq"]) == ("event_queue", "7")


def test_a_dead_letter_is_the_payload_as_it_is(encoder: Encoder) -> None:
    letter = encoder.dead_letter(DeadLetter(event('{"text": "é"}', headers='{"own": "1"}'), "why"))
    assert letter.value == '{"text": "é"}'.encode()
    assert dict(letter.headers)["own"] == b"1"
    assert "bridge_cut" not in dict(letter.headers)


@pytest.mark.parametrize(
    "given",
    [
        event(json.dumps({"text": "é" * 5000})),
        event(json.dumps({"text": "x" * 1500}), headers=json.dumps({"h": "x" * 1500})),
        event(json.dumps({"text": "x" * 1500}), headers=json.dumps({"h": "x" * 20_000})),
        event(key="é" * 100_000),
    ],
)
def test_a_dead_letter_fits_its_topic(encoder: Encoder, given: Event) -> None:
    letter = encoder.dead_letter(DeadLetter(given, "r" * 10_000))
    assert size(letter) <= 2000
    assert dict(letter.headers)["bridge_cut"] == b"true"
    assert dict(letter.headers)["ce_id"] == given.id


def test_a_dead_letter_that_fits_nowhere_holds_its_topic(ids: KnownIds) -> None:
    limits = TopicLimits({"dead": 100})
    encoder = Encoder(Settings(topics=TopicSettings(dead_letters="dead")), ids.schema_id, limits)
    with pytest.raises(TopicUnwritable, match=r"max\.message\.bytes is 100"):
        encoder.dead_letter(DeadLetter(event(), "why"))
    encoder.expect_change()
    with pytest.raises(LimitsUnsure):
        encoder.dead_letter(DeadLetter(event(), "why"))


def test_an_event_without_its_content_is_dead(encoder: Encoder) -> None:
    """Postgres could not make text of it."""
    unreadable = event()._replace(payload="")
    with pytest.raises(EncodingError, match="Postgres cannot make text"):
        encoder.record(unreadable)
    assert dict(encoder.dead_letter(DeadLetter(unreadable, "why")).headers)["bridge_cut"] == b"true"


def test_the_size_is_not_below_what_kafka_counts(encoder: Encoder) -> None:
    record = encoder.record(event())
    assert size(record) > FRAMING_BYTES + len(record.value) + len(record.key)


def test_a_missing_schema_file_is_found_at_the_start(tmp_path: Path, ids: KnownIds) -> None:
    settings = Settings(routes=(Route("thing.made", "things", "things-Made"),), schemas=tmp_path)
    with pytest.raises(ConfigError, match=r"there is no things-Made\.avsc in"):
        Encoder(settings, ids.schema_id, TopicLimits({}))


def test_a_schema_file_that_was_mended_is_read_again(encoder: Encoder, ids: KnownIds, tmp_path: Path) -> None:
    """While its id cannot be had; and of a type that is ready, once an event does not fit any more."""
    file, ids.away = tmp_path / "things-Made.avsc", True
    with pytest.raises(RegistryUnavailable):
        encoder.record(event('{"text": "x", "more": "y"}'))
    file.write_text("{")
    with pytest.raises(ConfigError, match="not valid"):
        encoder.record(event())
    file.unlink()
    with pytest.raises(ConfigError, match="there is no"):
        encoder.record(event())
    file.write_text(json.dumps(MENDED))
    ids.away = False
    assert encoder.record(event('{"text": "x", "more": "y"}')).value.endswith(b"\x02x\x02y")
    file.write_text(json.dumps(SCHEMA))
    assert encoder.record(event('{"text": "x", "more": "y"}')).value.endswith(b"\x02x\x02y")
    assert encoder.record(event('{"text": "x"}')).value.endswith(b"\x02x")
    with pytest.raises(EncodingError):
        encoder.record(event('{"text": "x", "more": "y"}'))


def test_a_mended_file_that_another_routes_event_has_had_read_counts_for_all(ids: KnownIds, tmp_path: Path) -> None:
    """What is made of the file as it was would have its events die for ever: the file does not change any more."""
    file = tmp_path / "things-value.avsc"
    file.write_text(json.dumps(SCHEMA))
    routes = [Route(event_type, "things", "things-value") for event_type in ("thing.made", "thing.sold")]
    encoder = Encoder(Settings(routes=tuple(routes), schemas=tmp_path), ids.schema_id, TopicLimits({}))
    made = event('{"text": "x", "more": "y"}')
    encoder.record(event('{"text": "x"}'))
    file.write_text(json.dumps(MENDED))
    for one in (made._replace(event_type="thing.sold"), made):
        assert encoder.record(one).value.endswith(b"\x02x\x02y")


def test_a_mended_file_that_another_thread_reads_meanwhile_counts(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event does not fit what this one has begun with."""
    encoder.record(event('{"text": "x"}'))
    begun = encoder._types["thing.made"]

    def reads_meanwhile(payload: str) -> bytes:
        (tmp_path / "things-Made.avsc").write_text(json.dumps(MENDED))
        encoder.forget()
        encoder.record(event(payload))
        return begun.encode(payload)

    monkeypatch.setitem(encoder._types, "thing.made", begun._replace(encode=reads_meanwhile))
    assert encoder.record(event('{"text": "x", "more": "y"}')).value.endswith(b"\x02x\x02y")


CHANGE = {
    "id": "0190a1b2-1111-7222-8333-444455556666",
    "entity_type": "t",
    "entity_id": "1",
    "action": "UPDATE",
    "previous_state": '{"n": 1.10, "card": "1234", "pin": null, "big": 123456789012345678901234567890}',
    "new_state": '{"n": 1.20, "card": "5678", "pin": "9", "big": 1e400}',
    "changed_fields": ["n", "card"],
}


CARD = "5c0de5ec-1111-7222-8333-444455556666"


def with_route(route: Route, ids: KnownIds, tmp_path: Path) -> Encoder:
    (tmp_path / "things-Made.avsc").write_text(json.dumps(SCHEMA))
    settings = Settings(
        relay=RelaySettings(name="us"),
        topics=TopicSettings(dead_letters="dead"),
        routes=(route,),
        schemas=tmp_path,
    )
    return Encoder(settings, ids.schema_id, TopicLimits({"things": 20_000_000, "dead": 2000}))


def change(**more: object) -> Event:
    payload = json.dumps(CHANGE | more)
    return Event("entity_events", 7, str(CHANGE["id"]), CHANGED, "t:1", payload, None, AT, entity_type="t")


def json_route(**more: Any) -> Route:
    return Route("thing.made", "things", encoding=Encoding.JSON, **more)


def test_json_is_the_payload_as_it_is(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(json_route(headers=(("team", "é"),)), ids, tmp_path)
    record = encoder.record(event('{"n": 1.10, "e": 1e400, "é": "\\u00e9"}'))
    assert record.value == '{"n": 1.10, "e": 1e400, "é": "\\u00e9"}'.encode()
    headers = dict(record.headers)
    assert (headers["content-type"], headers["team"]) == (b"application/json", "é".encode())
    assert ids.asked == 0


def test_json_of_a_change_has_its_states_as_objects_and_every_digit(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(Route(topic="things", table="t", encoding=Encoding.JSON), ids, tmp_path)
    value = encoder.record(change(previous_state=None)).value
    assert value is not None
    assert b'"new_state":{"n": 1.20, "card": "5678", "pin": "9", "big": 1e400}' in value
    assert json.loads(value)["previous_state"] is None


def test_raw_is_the_bytes_of_base64(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(Route("thing.made", "things", encoding=Encoding.RAW), ids, tmp_path)
    assert encoder.record(event('{"$bytes": "AAH/\\nAA=="}')).value == b"\x00\x01\xff\x00"
    for wrong in ('{"$bytes": "A"}', '{"$bytes": "é==="}', '{"$bytes": 5}', '{"$bytes": "", "x": 1}', '"AAH/"', "[]"):
        with pytest.raises(EncodingError, match="bytes"):
            encoder.record(event(wrong))


@pytest.mark.parametrize("encoding", [Encoding.JSON, Encoding.RAW])
def test_a_payload_that_was_cut_off_is_never_published(encoding: Encoding, ids: KnownIds, tmp_path: Path) -> None:
    """As Avro it would not be JSON any more; here nothing but its length tells."""
    encoder = with_route(Route("thing.made", "things", encoding=encoding), ids, tmp_path)
    limits = TopicLimits({"things": 20_000_000})
    with pytest.raises((RecordTooLarge, EncodingError)):
        encoder.record(event('{"$bytes": "' + "A" * limits.cut))


def test_fields_are_dropped_and_masked_and_no_other_digit_changes(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(json_route(drop=("pin",), mask=("card", "none")), ids, tmp_path)
    value = encoder.record(event('{"pin": 1, "card": {"n": 1}, "none": null, "n": 1.10, "e": 1e400}')).value
    assert value == b'{"card":"[masked]","none":null,"n":1.10,"e":1e400}'


def test_what_is_no_object_does_not_pass_where_fields_are_hidden(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(json_route(drop=("pin",)), ids, tmp_path)
    given = event('[{"pin": 1}]')
    with pytest.raises(EncodingError, match="fields could be taken out of"):
        encoder.record(given)
    assert encoder.dead_letter(DeadLetter(given, "why")).value == b""


def test_columns_are_dropped_and_masked_in_both_states(ids: KnownIds, tmp_path: Path) -> None:
    route = Route(topic="things", table="t", encoding=Encoding.JSON, drop=("card",), mask=("pin",))
    value = json.loads(with_route(route, ids, tmp_path).record(change()).value or b"")
    assert set(value["previous_state"]) == set(value["new_state"]) == {"n", "pin", "big"}
    assert (value["previous_state"]["pin"], value["new_state"]["pin"]) == (None, "[masked]")
    assert value["changed_fields"] == ["n"]


@pytest.mark.parametrize("hides", ["drop", "mask"])
def test_a_column_that_is_told_beside_the_states_too_is_hidden_there(ids: KnownIds, tmp_path: Path, hides: str) -> None:
    hidden: dict[str, Any] = {hides: ("entity_type_id",)}
    encoder = with_route(Route(topic="things", table="t", encoding=Encoding.JSON, **hidden), ids, tmp_path)
    given = change(new_state=f'{{"entity_type_id": "{CARD}"}}', entity_type_id=CARD)
    for record in (encoder.record(given), encoder.dead_letter(DeadLetter(given, "why"))):
        assert json.loads(record.value or b"")["entity_type_id"] is None
        assert CARD.encode() not in (record.value or b"")


def test_a_dead_letter_does_not_tell_what_its_route_hides(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(json_route(drop=("pin",)), ids, tmp_path)
    letter = encoder.dead_letter(DeadLetter(event('{"pin": 1, "n": 2}'), "why"))
    assert letter.value == b'{"n":2}'
    cut = encoder.dead_letter(DeadLetter(event('{"pin": "1'), "why"))
    assert (cut.value, dict(cut.headers)["bridge_cut"]) == (b"", b"true")


def test_a_dead_letter_of_a_route_that_was_removed_does_not_tell_its_payload(encoder: Encoder) -> None:
    """Nobody knows any more what that route hid."""
    gone = event('{"pin": 1}', event_type="thing.gone", headers='{"own": "1"}', key="k" * 300)
    letter = encoder.dead_letter(DeadLetter(gone, "why"))
    assert (letter.value, letter.key) == (b"", b"k" * 300)
    assert dict(letter.headers).items() >= {"own": b"1", "bridge_cut": b"true", "bridge_error": b"why"}.items()


@pytest.mark.parametrize(
    ("changed", "summary", "told"),
    [
        (["card", "n"], "UPDATE of t: card, n", "UPDATE of t: n"),
        (["card"], "UPDATE of t: card", "UPDATE of t: "),
        (["n"], "UPDATE of t: n", "UPDATE of t: n"),
        (["card", "n"], "somebody corrected the card", None),
        (None, "DELETE of t", "DELETE of t"),
    ],
)
def test_a_summary_does_not_name_what_a_route_drops(
    ids: KnownIds, tmp_path: Path, changed: list[str] | None, summary: str, told: str | None
) -> None:
    encoder = with_route(Route(topic="things", table="t", encoding=Encoding.JSON, drop=("card",)), ids, tmp_path)
    given = change(action=summary.split()[0], changed_fields=changed, change_summary=summary)
    assert json.loads(encoder.record(given).value or b"")["change_summary"] == told
    assert json.loads(encoder.dead_letter(DeadLetter(given, "why")).value or b"")["change_summary"] == told


def test_a_tombstone_follows_a_delete(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(Route(topic="things", table="t", encoding=Encoding.JSON, tombstone=True), ids, tmp_path)
    assert encoder.record(change()).tombstone is None
    record = encoder.record(change(action="DELETE", new_state=None))
    assert record.tombstone == Record(
        "things",
        b"t:1",
        None,
        [("ce_source", b"/us/tombstone"), ("bridge_tombstone", str(CHANGE["id"]).encode())],
        AT // 1000,
    )


def test_a_tombstone_of_a_replay_says_so(ids: KnownIds, tmp_path: Path) -> None:
    tombstone = with_route(json_route(tombstone=True), ids, tmp_path).record(event(replay_id=7)).tombstone
    assert tombstone is not None
    assert tombstone.headers[-1] == ("bridge_replayed", "7")


def test_a_tombstone_follows_each_event_of_a_type_whose_route_says_so(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(json_route(tombstone=True), ids, tmp_path)
    tombstone = encoder.record(event()).tombstone
    assert tombstone is not None
    assert (tombstone.key, tombstone.value) == (b"k", None)


def test_types_that_somebody_makes_up_do_not_fill_the_memory(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(Route("thing.*", "things", encoding=Encoding.JSON), ids, tmp_path)
    for number in range(MOST_TYPES + 10):
        encoder.record(event(event_type=f"thing.{number}"))
    assert len(encoder._types) <= MOST_TYPES


def test_the_id_is_asked_for_once_a_route(ids: KnownIds, tmp_path: Path) -> None:
    encoder = with_route(Route("thing.*", "things", "things-Made"), ids, tmp_path)
    for number in range(3):
        encoder.record(event(event_type=f"thing.{number}"))
    assert ids.asked == 1
