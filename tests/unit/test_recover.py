"""What `bridge recover` reads in records of Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.admin.recover_topics import _kind
from bridge.encoding.dead_letter import dead_letter
from bridge.event import DeadLetter, Event


@pytest.mark.parametrize("entity_type", ["orders", "sales:orders", None])
def test_the_kind_of_a_dead_letters_event(entity_type: str | None) -> None:
    """Its route says what waits behind it. A letter may have no key, and a table's name any character."""
    event = Event("entity_events", 1, "id", "entity.changed", "", "null", None, 0, entity_type=entity_type)
    letter = dead_letter(DeadLetter(event, "why"), "dead", [("ce_type", b"entity.changed")], 0, 10_000)
    headers: dict[str, Any] = {
        name: value.encode() if isinstance(value, str) else value for name, value in letter.headers
    }
    assert _kind(headers) == ("entity.changed", entity_type)
