"""What `tail` prints can be read, and can do no harm."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from bridge.admin.tail import SHOWN_CHARACTERS, Shown, spelled
from bridge.text import json_line, printable


def shown(value: object = None, **more: object) -> Shown:
    given = {"key": "k", "headers": [("ce_id", "1")], "schema_id": None} | more
    return Shown(topic="t", partition=1, offset=2, time="2026-11-22T10:11:12.123Z", value=value, **given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("Zoë 日本", "Zoë 日本"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\rd\x7f\0", "a\\x0ab\\x09c\\x0dd\\x7f\\x00"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("\u2066\u2028\u200b\ufeff", "\\u2066\\u2028\\u200b\\ufeff"),
        ("\U000e0001", "\\U000e0001"),
        ("\ud800", "\\ud800"),
    ],
)
def test_printable_escapes_what_could_steer_a_terminal(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_text_escapes_every_part() -> None:
    evil = "\x1b]0;x\x07\u202e"
    lines = shown({"f": evil}, key=evil, headers=[(evil, evil)]).as_lines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_json_is_one_line_of_ascii() -> None:
    record = shown({"f": "\x9b\u202e\n\x7fé"}, key="é\x1b", headers=[("h", "\u2028"), ("n", None)])
    line = json_line(record.as_document())
    assert all(" " <= char <= "~" for char in line)
    assert json.loads(line)["value"] == {"f": "\x9b\u202e\n\x7fé"}
    assert json.loads(line)["headers"] == {"h": "\u2028", "n": None}


def test_json_of_what_avro_decodes_to() -> None:
    at = datetime(2026, 11, 22, 10, 11, 12, 123456, tzinfo=UTC)
    value = {
        "at": at, "day": date(2026, 11, 22), "id": UUID(int=1), "sum": Decimal("12.30"), "raw": b"\x00\xff",
        "nan": float("nan"), "big": 2**63 - 1,
    }  # fmt: skip
    assert json.loads(json_line(shown(value).as_document()))["value"] == {
        "at": "2026-11-22T10:11:12.123456+00:00", "day": "2026-11-22", "id": str(UUID(int=1)), "sum": "12.30",
        "raw": "\\x00ff", "nan": None, "big": 2**63 - 1,
    }  # fmt: skip


def test_what_json_has_no_number_for_is_told_by_its_name() -> None:
    """A null would be something else."""
    value = {"a": [float("nan"), 1.5], "b": {"c": float("inf"), "d": None}, "e": float("-inf")}
    assert spelled(value) == {"a": ["NaN", 1.5], "b": {"c": "Infinity", "d": None}, "e": "-Infinity"}
    assert "NaN" in json_line(shown(spelled(value)).as_document())


def test_a_long_value_is_cut_in_text_only() -> None:
    long = shown("x" * 10_000)
    assert len(long.as_lines()[-1]) < SHOWN_CHARACTERS + 200
    assert "(10000 characters)" in long.as_lines()[-1]
    assert len(long.as_document()["value"]) == 10_000


def test_a_tombstone_is_null() -> None:
    assert shown(None).as_document()["value"] is None
    assert shown(None).as_lines()[-1] == "  null"
