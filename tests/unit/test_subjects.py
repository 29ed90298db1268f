"""A route that names no subject gets it by the subject name strategy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.configuration.load import Configuration, read
from bridge.configuration.schemas import schema_mistakes

Read = Callable[..., Configuration]


@pytest.fixture
def configured(tmp_path: Path) -> Read:
    (tmp_path / "schemas").mkdir()

    def configured(strategy: str, *routes: str, record: str = "shop.Paid") -> Configuration:
        lines = ['schemas = "schemas"', "[registry]", f'subject_name_strategy = "{strategy}"']
        lines += [f'[[routes]]\ntopic = "shop"\n{route}' for route in routes]
        (tmp_path / "bridge.toml").write_text("\n".join(lines))
        configuration = read(tmp_path / "bridge.toml", {})
        for _, route in configuration.routes:
            if route.subject:
                schema = {"type": "record", "name": record, "fields": []}
                (tmp_path / "schemas" / f"{route.subject}.avsc").write_text(json.dumps(schema))
        return configuration

    return configured


PAID, TABLE, MANY = 'event_type = "shop.Paid"', 'table = "shop.Paid"', 'event_type = "shop.*"'


@pytest.mark.parametrize(
    ("strategy", "route", "subject"),
    [
        ("TopicName", PAID, "shop-value"),
        ("TopicName", MANY, "shop-value"),
        ("RecordName", PAID, "shop.Paid"),
        ("RecordName", TABLE, "shop.Paid"),
        ("TopicRecordName", PAID, "shop-shop.Paid"),
        ("RecordName", f'{PAID}\nsubject = "own"', "own"),
        ("RecordName", f'{MANY}\nsubject = "own"', "own"),
        ("TopicName", f'{PAID}\nencoding = "json"', ""),
    ],
)
def test_a_subject_by_its_strategy(configured: Read, strategy: str, route: str, subject: str) -> None:
    configuration = configured(strategy, route)
    assert configuration.mistakes == ()
    assert [one.subject for one in configuration.settings.routes] == [subject]


@pytest.mark.parametrize("strategy", ["RecordName", "TopicRecordName"])
def test_a_route_of_many_types_has_no_record_to_be_named_by(configured: Read, strategy: str) -> None:
    (mistake,) = configured(strategy, MANY).mistakes
    assert mistake.origin.line == 4
    assert "needs a subject" in mistake.message


def test_the_record_must_be_called_so(configured: Read) -> None:
    (mistake,) = schema_mistakes(configured("TopicRecordName", PAID, record="shop.Sent"))
    assert "would be called shop.Paid, and it is called shop.Sent" in mistake.message
    assert list(schema_mistakes(configured("TopicRecordName", PAID))) == []
    assert list(schema_mistakes(configured("TopicName", PAID, record="shop.Sent"))) == []
    assert list(schema_mistakes(configured("RecordName", f'{PAID}\nsubject = "own"', record="shop.Sent"))) == []
