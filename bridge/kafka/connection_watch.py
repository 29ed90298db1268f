"""Notices that a Kafka client may have sent a request twice, which librdkafka says in its log and nowhere else.

librdkafka sends a request again by itself when its connection is lost or its answer does not come. If that was the end
of a transaction, the first one may still arrive, and would then end the *next* transaction (KAFKA-17754).
So a producer to which this has happened is in doubt. The line is queued before the request is sent again:
`Producer.poll(0)` after the answer brings it. A line that repeats itself within 30 s is left out, but the first is
enough, because the producer is thrown away then.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from bridge.kafka.client import librdkafka

# Without these, librdkafka would not say it; nobody's configuration may take them away.
PROPERTIES: Final = {"log_level": 6, "log.connection.close": True}
_FACILITIES = ("FAIL", "REQTMOUT")  # a connection was lost; a request timed out
_NEVER_CONNECTED = ("in state TRY_CONNECT)", "in state CONNECT)")  # so nothing can have been sent
_BOOTSTRAP = "/bootstrap]"  # a connection that only learns who the brokers are


class ConnectionWatch:
    """A logger for one client: passes everything on, and remembers the first line that means trouble."""

    def __init__(self) -> None:
        self.trouble: str | None = None

    def log(self, level: int, message: str, *arguments: Any) -> None:
        """What librdkafka calls, with its facility, its client's name and the text as arguments."""
        librdkafka.log(level, message, *arguments)
        facility, text = str(arguments[0]), str(arguments[-1])
        if level <= logging.DEBUG:  # what kafka.properties' debug adds, connections closed in good order included
            return
        if facility in _FACILITIES and not text.endswith(_NEVER_CONNECTED) and _BOOTSTRAP not in text:
            self.trouble = self.trouble or text
