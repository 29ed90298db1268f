"""What cannot be right about a `bridge.consumer.Consumer` is said before it connects."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME
from confluent_kafka import Message as KafkaMessage

from bridge.consumer import Consumer
from bridge.consumer.message import Arrived
from bridge.errors import ConfigError

GIVEN: dict[str, Any] = {"kafka": "127.0.0.1:1", "database": "postgresql://x@127.0.0.1:1/x", "group": "g"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"group": ""}, "the group must have a name"),  # librdkafka's Python aborts the process
        ({"topics": "shop.order"}, "topics must be a list of names, not 'shop.order'"),
        ({"topics": []}, "topics must be a list of names"),
        ({"topics": [""]}, "topics must be a list of names"),
        ({"on_dead": "stop"}, "on_dead must be hold or skip, not 'stop'"),
        ({"on_dead": "x"}, "on_dead must be hold or skip, not 'x'"),
    ],
)
def test_what_cannot_be_right_is_refused(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Consumer(**(GIVEN | {"topics": ["shop.order"]} | more))


def test_a_consumer_without_a_handler_would_pass_over_everything() -> None:
    with pytest.raises(ConfigError, match="there is no handler"):
        Consumer(**GIVEN, topics=["shop.order"]).run()


async def of_no_use(message: object, connection: object) -> None: ...


def test_a_handler_that_would_not_run_is_refused() -> None:
    with pytest.raises(TypeError, match="an ordinary function"):
        Consumer(**GIVEN, topics=["shop.order"]).handler("order.paid")(of_no_use)  # type: ignore[type-var]


@pytest.mark.parametrize("milliseconds", [-62_135_596_800_001, 2**62])
def test_a_time_outside_of_the_calendar_is_none(milliseconds: int) -> None:
    """A producer may write any number."""
    message = KafkaMessage("t", 0, 1, b"k", b"v", [], None, (TIMESTAMP_CREATE_TIME, milliseconds))
    assert Arrived.of(message, []).at is None
