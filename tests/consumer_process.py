"""A consumer for tests to kill: writes each thing's `n` into `effect`, slowly, and fails at some for the first time."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import psycopg

from bridge.consumer import Consumer, Message

SECONDS = 0.002  # for each event, so that there is a middle in which a process can be killed


def write(message: Message, connection: psycopg.Connection[Any]) -> None:
    n = message.value["n"]
    time.sleep(SECONDS)
    connection.execute("insert into effect (key, n, pid) values (%s, %s, %s)", (message.key, n, os.getpid()))
    if n % 40 == 0 and message.attempt == 1:
        raise ValueError("for the first time")


if __name__ == "__main__":
    consumer = Consumer(**json.loads(sys.argv[1]))
    consumer.handler("thing.changed")(write)
    consumer.run()
