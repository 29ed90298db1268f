"""What a message of the log says beside its text: the name of what happened, and what it is about.

Every message of bridge is logged with `extra=about("name", ...)`; docs/operations.md lists the names, and tests hold
the two together. None of this is anybody's payload or key.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

FIELDS: Final = ("event", "shard", "topic", "event_id", "batch", "exception")
LIBRARY: Final = "library"  # what a message is called that a library logs

# The shard that this thread carries. Whatever is said in it has it, a library's messages, too.
current_shard: ContextVar[int | None] = ContextVar("current_shard", default=None)


def about(
    event: str,
    *,
    shard: int | None = None,
    topic: str | None = None,
    event_id: str | None = None,
    batch: int | None = None,
    exception: str | None = None,
) -> dict[str, object]:
    """For `extra=` of a logger's call; `exception` is what `bridge.text.place()` says of one."""
    given = {"shard": shard, "topic": topic, "event_id": event_id, "batch": batch, "exception": exception}
    return {"event": event} | {name: value for name, value in given.items() if value is not None}
