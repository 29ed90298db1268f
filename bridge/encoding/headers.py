"""The headers of a record: CloudEvents 1.0 (Kafka binary mode, with the `sequence` extension), ours, the writer's.

Every header name that bridge writes or looks for stands here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from bridge.encoding.exact_json import verbatim_json
from bridge.errors import PoisonEvent
from bridge.event import Event, Header

CE_SPECVERSION: Final = "ce_specversion"
CE_TYPE: Final = "ce_type"
CE_SOURCE: Final = "ce_source"
CE_ID: Final = "ce_id"
CE_TIME: Final = "ce_time"
CE_SUBJECT: Final = "ce_subject"
CE_SEQUENCE: Final = "ce_sequence"
CONTENT_TYPE: Final = "content-type"
DEAD_REASON: Final = "bridge_error"  # these five are the dead letters'
DEAD_SOURCE: Final = "bridge_source"
DEAD_SEQ: Final = "bridge_seq"
DEAD_TABLE: Final = "bridge_table"  # the entity_type of a change
DEAD_CUT: Final = "bridge_cut"
TOMBSTONE: Final = "bridge_tombstone"  # the id of the event behind which it comes
TRANSACTION: Final = "bridge_transaction"  # the writer's, as pg_current_xact_id() gives it
REPLAYED: Final = "bridge_replayed"  # the number of the replay, on what was published before
ERASED: Final = "bridge_erased"  # in the database alone: nothing is left of this event that could be published
RESERVED: Final = ("ce_", "bridge_", CONTENT_TYPE)  # names that begin so, in any case, are not the writer's to set

AVRO: Final = "application/avro"
JSON: Final = "application/json"
RAW: Final = "application/octet-stream"

MAX_HEADERS: Final = 64  # of the writer's own
MAX_HEADER_BYTES: Final = 16_384  # names and values together

EPOCH: Final = datetime(1970, 1, 1)  # in UTC; printed without an offset
FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # of the years 1 and 9999


def ce_source(name: str, source: str) -> str:
    """The CloudEvents source of events that the bridge `name` publishes from the table `source`."""
    return f"/{name}/{source}"


def shared_headers(name: str, source: str, event_type: str, content_type: str) -> tuple[Header, ...]:
    """The headers that do not differ between events of one type that the bridge `name` publishes."""
    return (
        (CE_SPECVERSION, b"1.0"),
        (CE_TYPE, event_type.encode()),
        (CE_SOURCE, ce_source(name, source).encode()),
        (CONTENT_TYPE, content_type.encode()),
    )


def event_headers(event: Event) -> list[Header]:
    """The headers that every event has for itself, without the writer's.

    `ce_sequence` has leading zeros, because CloudEvents wants it to sort as text.
    """
    headers: list[Header] = [
        (CE_ID, event.id),
        (CE_TIME, rfc3339(event.created_us)),
        (CE_SUBJECT, event.key),
        (CE_SEQUENCE, f"{event.seq:019d}"),
    ]
    if event.xid is not None:
        headers.append((TRANSACTION, event.xid))
    if event.replay_id is not None:
        headers.append((REPLAYED, str(event.replay_id)))
    return headers


def rfc3339(microseconds: int) -> str:
    """A time in microseconds since 1970, as RFC 3339 in UTC; the nearest that it can write, years 1 to 9999."""
    if not FIRST_US <= microseconds <= LAST_US:
        microseconds = min(max(microseconds, FIRST_US), LAST_US)
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{_to_the_second(seconds)}.{fraction:06d}Z"


@lru_cache(maxsize=4096)  # events come in the order of time, so many share a second
def _to_the_second(seconds: int) -> str:
    return (EPOCH + timedelta(seconds=seconds)).isoformat()


def writer_headers(headers: str) -> list[Header]:
    """The writer's own headers from JSON text: text as it is, other values as their JSON text, null left out.

    Numbers stay as they are written, and of two headers of one name the last counts. Raises PoisonEvent for reserved
    names, too many or too long headers, what is not an object, what Kafka cannot take, and an event that was erased.
    """
    try:
        kept, size = _kept(headers)
    except (UnicodeEncodeError, orjson.JSONEncodeError) as error:
        raise PoisonEvent("a header holds a lone surrogate, or is nested too deeply") from error
    except (ValueError, RecursionError) as error:
        raise PoisonEvent("the headers are not JSON") from error
    if len(kept) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise PoisonEvent(f"the headers are more than {MAX_HEADERS}, or more than {MAX_HEADER_BYTES} bytes")
    return kept


def _kept(headers: str) -> tuple[list[Header], int]:
    """With the size of all. Most writers give text alone, which orjson reads best; numbers it would round or refuse."""
    verbatim: dict[str, Any] | None = None
    try:
        given = orjson.loads(headers)
    except orjson.JSONDecodeError:
        given = verbatim = verbatim_json(headers)
    if not isinstance(given, dict):
        raise PoisonEvent("the headers are not a JSON object")
    kept: list[Header] = []
    size = 0
    for name, value in given.items():
        if name.lower().startswith(RESERVED):
            if name == ERASED:
                raise PoisonEvent("it was erased")
            raise PoisonEvent(f"the header {name[:60]!r} is bridge's own, as all that begin with {', '.join(RESERVED)}")
        if value is None or not name:
            continue
        if "\0" in name:
            raise PoisonEvent("a header's name contains a NUL character")
        if isinstance(value, str):
            content = value.encode()
        else:
            verbatim = verbatim or verbatim_json(headers)
            content = orjson.dumps(verbatim[name])
        size += len(name.encode()) + len(content)
        kept.append((name, content))
    return kept, size
