"""What a dead event holds where it does not fit, by its kind alone."""

from __future__ import annotations

import json

import pytest

from bridge.admin.dead_explain import kind_at

CHANGE = {"id": "x", "previous_state": None, "new_state": json.dumps({"at": "infinity", "n": [1, 2.5], "gone": None})}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (".new_state", "an object"),
        (".new_state.at", "text"),
        (".new_state.n", "an array"),
        (".new_state.n[1]", "a number with a fraction"),
        (".new_state.n[7]", "nothing"),
        (".new_state.gone", "null"),
        (".new_state.other", "nothing"),
        (".previous_state", "null"),
        (".id", "text"),
    ],
)
def test_a_row_of_a_change(path: str, kind: str) -> None:
    assert kind_at(json.dumps(CHANGE), path, is_change=True) == kind


def test_an_events_field_may_be_called_so() -> None:
    assert kind_at(json.dumps(CHANGE), ".new_state", is_change=False) == "text"
