"""Hostile values: what an application, or somebody who can write rows, may put where it does not belong."""

from __future__ import annotations

import json
import random
import string
from typing import Any

CANARY = "S3CR3T"  # part of every password; in no output
FIELDS: dict[str, Any] = {  # one of each kind of Avro; each has an event type `odd.<name>` of its own
    "at": {"type": "long", "logicalType": "timestamp-micros"},
    "at_millis": {"type": "long", "logicalType": "timestamp-millis"},
    "local": {"type": "long", "logicalType": "local-timestamp-micros"},
    "day": {"type": "int", "logicalType": "date"},
    "clock": {"type": "long", "logicalType": "time-micros"},
    "id": {"type": "string", "logicalType": "uuid"},
    "price": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
    "raw": "bytes",
    "kind": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]},
    "pair": {"type": "fixed", "name": "Pair", "size": 2},
    "list": {"type": "array", "items": "long"},
    "map": {"type": "map", "values": "long"},
    "union": ["null", "long", "string", {"type": "array", "items": "string"}],
    "truth": "boolean",
    "number": "double",
    "single": "float",
    "small": "int",
    "text": "string",
}
_TIME_IN_PIECES = [*"aaaa-aa-aaTaa:aa:aa", ".", *"aaa", "+", *"aa"]
HOSTILE: list[Any] = [
    _TIME_IN_PIECES, ["0"] * 10, ["2", "0", "2", "4"], [*"2024-01-01T00:00:00.000000"], [*"12:00:00"], [*"2024-01-01"],
    {}, {"": {}}, {"0": "2", "4": "-"}, [], [[]], [[[[[[]]]]]], [None], True, False, None, 0, -0.0, -1, 1.5, 10**400,
    -(10**400), 1e308, 1.7976931348623157e308, 5e-324, 2**31, 2**53 + 1, 2**63, -(2**63), 0.1, "", "-", ":", ".",
    "\x01", "\x1b[2J", "9" * 400, "-9999999999999-01-01T00:00:00Z", "294276-12-31T23:59:59Z", "2024-02-30", "24:00:01",
    "00:00.5", "\u0662\u0660\u0662\u0664-\u0660\u0661-\u0660\u0661", "2024-01-01T00:00:00+99:99", "NaN",
    "Infinity", "0x10", "1e400", "\ud7ff\u202e\u200f", "\xff" * 5, "\U0001f511", "{" * 2000, "A", "AB", "1.10",
    "12345678901.001",
]  # fmt: skip
EVENT_TYPES = [
    "unknown.type", "\x1b]0;owned\x07", "line\nbreak", "\u202eright-to-left", "\x01", " ", "x" * 128, "x" * 10_000, "",
    "entity.changed", "entity.linked", "THING.CHANGED", "thing.changed ", "'; drop table bridge.shard; --", "\x7f",
    "\ufeff",
]  # fmt: skip
TIMES = [
    "20000-01-01", "294276-12-31", "4713-01-01 BC", "0001-01-01", "1969-12-31", "9999-12-31 23:59:59.999999+14",
    "infinity", "-infinity", "2038-01-19 03:14:08",
]  # fmt: skip


def odd_schema(name: str) -> dict[str, Any]:
    """A record of one field."""
    return {"type": "record", "name": "Odd", "namespace": "test", "fields": [{"name": name, "type": FIELDS[name]}]}


def letters(chance: random.Random, count: int) -> str:
    """They do not compress."""
    return "".join(chance.choices(string.ascii_letters + string.digits, k=count))


def key(chance: random.Random) -> str:
    """Of few, so that some wait behind a dead one; now and then a long or a strange one."""
    kind = chance.random()
    if kind < 0.8:
        return f"k{chance.randrange(100)}"
    if kind < 0.9:
        return chance.choice(
            ["\x1b[31m", "\u202e", "ключ-鍵-\U0001f511", " ", "\n", "%s", "{}", "a:b", "\x01", "null", "/"]
        )
    if kind < 0.98:
        return letters(chance, chance.randrange(2_600, 9_000))
    return letters(chance, chance.randrange(10_000, 600_000))


def headers(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.6:
        return "{}"
    if kind < 0.63:
        return json.dumps({chance.choice(["ce_id", "bridge_seq", "content-type"]): chance.choice(HOSTILE)})
    if kind < 0.9:
        names = chance.choices(["h", "\x1b", "", "traceparent", "Ü", "a\nb"], k=3)
        return json.dumps({name: chance.choice(HOSTILE) for name in names})
    if kind < 0.99:
        return json.dumps({f"h{number}": "x" for number in range(chance.choice([64, 65, 1000]))})
    return json.dumps({"long": "x" * chance.choice([16_384, 16_385, 1_000_000, 10_000_000])})


def payload(chance: random.Random, field: str) -> str:
    """An object with `field`, mostly as hostile as can be."""
    kind = chance.random()
    if kind < 0.7:
        return json.dumps({field: chance.choice(HOSTILE)})
    if kind < 0.8:
        return json.dumps({field: 1, chance.choice(["\x1b", "", field.upper(), "__proto__"]): chance.choice(HOSTILE)})
    if kind < 0.9:
        return json.dumps({field: letters(chance, chance.randrange(1, 50_000))})
    if kind < 0.995:  # the last kind is read again at each retry, a hundred megabytes a second
        return f'{{"{field}": {"[" * 900 + "]" * 900}}}'
    return json.dumps({field: "x" * chance.choice([1_000_000, 1_048_400, 2_000_000, 20_000_000])})
