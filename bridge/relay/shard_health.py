"""What goes wrong with one shard; outlives its takeovers and its threads, so that no back-off begins anew."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.relay.health import Health
from bridge.shard.holds import TopicHolds
from bridge.shard.suspicion import PATIENCE, Suspicion

ADVICE = (
    f"It is tried again, with longer and longer pauses, and after {PATIENCE} failures of one batch in parts, down to"
    " one event; other shards go on"
)


class ShardHealth(Health):
    """With the topics that wait, and the events that are suspected."""

    def __init__(self, shard: int, holds: TopicHolds) -> None:
        super().__init__(f"shard {shard}", ADVICE)
        self.holds = holds
        self.suspicion = Suspicion()

    def batch_failed(self, seqs: Sequence[int], cause: str) -> float:
        """As `failed_unforeseen()`, with a batch of these `seqs` in hand; empty for none."""
        self.suspicion.failed(seqs, f"unforeseen: {cause}")
        return self.failed_unforeseen(cause)

    def _is_past(self) -> bool:
        return self.suspicion.limit is None
