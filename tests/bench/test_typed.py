"""What a change of a usual table costs to encode: its typed record against the generic one, in turns.

`pytest tests/bench/test_typed.py -m bench` prints it.
"""

from __future__ import annotations

import json
import time
import timeit
from functools import partial
from typing import Any

import pytest

from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.change import ChangeSchema
from bridge.resources import resource

pytestmark = pytest.mark.bench

UUID = {"type": "string", "logicalType": "uuid"}
TIME = {"type": "long", "logicalType": "timestamp-micros"}
COLUMNS: dict[str, Any] = {
    "id": "int",
    "note": "string",
    "total": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
    "status": "string",
    "customer": UUID,
    "is_gift": "boolean",
    "placed_at": TIME,
    "updated_at": TIME,
}
STATE = {
    "id": 4711,
    "note": "some text of a usual length",
    "total": 1234.56,
    "status": "shipped",
    "customer": "019377a8-6f0c-7d3c-9a50-3c1f2a1b4c5d",
    "is_gift": False,
    "placed_at": "2026-11-22T12:00:00.123456+00:00",
    "updated_at": "2026-11-23T08:30:00.512345+00:00",
}
FORMER = {**STATE, "status": "placed", "updated_at": "2026-11-23T08:29:00.1+00:00"}
CHANGES = {"INSERT": (None, STATE), "UPDATE": (FORMER, STATE), "DELETE": (STATE, None)}
NUMBER, REPEATS = 500, 200


def typed(states: tuple[str, ...]) -> ChangeSchema:
    """As `bridge schema generate` writes it."""
    row: Any = {
        "type": "record",
        "name": "Row",
        "fields": [{"name": name, "type": ["null", kind], "default": None} for name, kind in COLUMNS.items()],
    }
    fields: list[Any] = []
    for name in states:
        fields.append({"name": name, "type": ["null", row], "default": None})
        row = "Row"
    fields += [
        {"name": "action", "type": "string"},
        {"name": "changed_fields", "type": ["null", {"type": "array", "items": "string"}], "default": None},
        {"name": "performed_by", "type": ["null", UUID], "default": None},
        {"name": "actor_status", "type": "string"},
        {"name": "change_summary", "type": ["null", "string"], "default": None},
    ]
    source = {"entity_type": "string", "id": UUID, "entity_id": "string", "seq": "long", "occurred_at": TIME}
    record = {"type": "record", "name": "Source", "fields": [{"name": n, "type": kind} for n, kind in source.items()]}
    fields.append({"name": "source", "type": record})
    schema = {"type": "record", "name": "orders", "bridge": {"form": "change"}, "fields": fields}
    return ChangeSchema("orders", json.dumps(schema))


def payload(action: str) -> str:
    """As bridge.change_payload() makes it."""
    before, after = CHANGES[action]
    change = {
        "id": "019377a8-6f0c-7d3c-9a50-3c1f2a1b4c5d",
        "seq": 1234567,
        "entity_type": "orders",
        "entity_id": "4711",
        "entity_type_id": None,
        "entity_event_type": "ENTITY_CHANGE",
        "action": action,
        "performed_by": None,
        "actor_status": "missing",
        "previous_state": jsonb(before),
        "new_state": jsonb(after),
        "changed_fields": ["status", "updated_at"] if action == "UPDATE" else None,
        "change_summary": f"{action} of orders",
        "occurred_at": "2026-11-22T12:00:00.123456+00:00",
    }
    return json.dumps(change, separators=(", ", " : "))


def jsonb(state: dict[str, Any] | None) -> str | None:
    """As Postgres prints it: shorter names first."""
    if state is None:
        return None
    return json.dumps({name: state[name] for name in sorted(state, key=lambda name: (len(name), name))})


def test_typed(capsys: pytest.CaptureFixture[str]) -> None:
    subject = "bridge.entity_events-bridge.EntityChanged"
    generic = AvroSchema(subject, resource("schemas", f"{subject}.avsc").read_text("utf-8"))
    schemas = {"generic": generic, "typed": typed(("before", "after")), "typed, after only": typed(("after",))}
    with capsys.disabled():
        print()
        for action in CHANGES:
            text = payload(action)
            timers = {
                name: timeit.Timer(partial(schema.encode, text), timer=time.process_time)
                for name, schema in schemas.items()
            }
            rounds = [{name: timer.timeit(NUMBER) for name, timer in timers.items()} for _ in range(REPEATS)]
            best = {name: min(one[name] for one in rounds) / NUMBER for name in timers}
            for name, schema in schemas.items():
                size, share = len(schema.encode(text)), best[name] / best["generic"]
                print(f"{best[name] * 1e6:6.2f} us ({share:.2f} x)  {size:4} bytes  {action}, {name}")
