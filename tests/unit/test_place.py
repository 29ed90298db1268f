"""Where an exception was raised: by whom, in whose function, and how bridge came there; never its message."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from psycopg.pq import TransactionStatus

from bridge.consumer.handlers import call
from bridge.text import place

BUSY = SimpleNamespace(info=SimpleNamespace(transaction_status=TransactionStatus.INTRANS))


def handler(message: Any, connection: Any) -> None:
    json.loads("secret")


def test_the_function_that_called_a_library_is_told() -> None:
    try:
        call(handler, None, BUSY)  # type: ignore[arg-type]
    except ValueError as error:
        told = place(error)
    assert told.startswith("JSONDecodeError in raw_decode, decoder.py:")
    line = handler.__code__.co_firstlineno + 1
    assert f", called by handler, test_place.py:{line}, called by call, bridge/consumer/handlers.py:" in told
    assert "secret" not in told
