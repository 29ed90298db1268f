"""What goes wrong with one shard; outlives its takeovers and its threads, so that no back-off begins anew."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bridge.log_fields import about
from bridge.relay.health import Health, Trouble, again
from bridge.shard.holds import TopicHolds
from bridge.shard.suspicion import PATIENCE, Suspicion

ADVICE = (
    f"It is tried again, with longer and longer pauses, and after {PATIENCE} failures of one batch by halves, down to"
    " one event; other shards go on"
)


class ShardHealth(Health):
    """With the topics that wait, and the events that are suspected."""

    def __init__(self, shard: int, holds: TopicHolds) -> None:
        super().__init__(f"shard {shard}", ADVICE, shard)
        self.holds = holds
        self.suspicion = Suspicion()
        self.doubt: Trouble | None = None  # batches in a row of which nobody could say that they were published

    def batch_failed(self, seqs: Sequence[int], cause: str, *, is_chance: bool = True) -> float:
        """As `failed_unforeseen()`, with a batch of these `seqs` in hand; empty for none."""
        if self.suspicion.failed(seqs, f"unforeseen: {cause}", is_chance=is_chance):
            self.moved_on()  # the next try is another one, of which a pause would tell nothing
        return self.failed_unforeseen(cause)

    def batch_in_doubt(self, seqs: Sequence[int], why: str) -> float:
        """Take note that Kafka did not say whether these `seqs` were published; seconds before the next try.

        Empty where no batch was in hand, or where it is known why. Once is what a takeover is for. Again and again it
        may be too much for a slow link, and is tried in parts.
        """
        self.say_once(logging.INFO, f"{why}; reconciling", about("batch-in-doubt"))
        if seqs:
            self.suspicion.doubted(seqs)
            self.doubt = again(self.doubt, why)
        if self.is_in_doubt:
            text = f"{PATIENCE} batches in a row are in doubt; it is tried in smaller ones"
            self.say_once(logging.WARNING, text, about("batches-in-doubt"))
        return self.failed()

    @property
    def is_in_doubt(self) -> bool:
        """Whether that is more than chance."""
        return self.doubt is not None and self.doubt.count >= PATIENCE

    def moved_on(self) -> None:
        super().moved_on()
        self.doubt = None

    def got_on(self) -> None:
        super().got_on()
        self.doubt = None

    def _is_past(self) -> bool:
        return self.suspicion.limit is None
