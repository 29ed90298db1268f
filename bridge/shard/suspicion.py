"""Finds the event for which a batch fails again and again, for a reason that nobody foresaw.

The first failures may be chance. After `PATIENCE` of one batch it is tried in parts, smaller ones after each failure,
down to one event: the one that fails alone is to be a dead letter, and if that fails too, one without its content.
Lives longer than a takeover, and than a shard's thread. Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from bridge.event import DeadLetter, Event

PATIENCE = 3  # failures before a batch is suspected
SHOWN = 200  # characters of its type that a bare dead letter keeps
SHRINKING = 16  # by this factor it gets smaller: three steps from 5000 events to one


class Treatment(Enum):
    """What becomes of an event that fails alone."""

    DEAD_LETTER = "a dead letter"
    BARE_DEAD_LETTER = "a dead letter without key, headers and payload"


class Suspicion:
    """What is suspected of one shard's events, by their seqs."""

    def __init__(self) -> None:
        self.limit: int | None = None  # events that the next batch may have; None: as many as usual
        self._failures = self._doubts = 0
        self._doubted_to = 0  # up to this seq, smaller batches are wanted
        self._last = 0  # up to this seq, the batch that failed is still to be tried
        self._reasons: dict[int, str] = {}
        self._treatments: dict[int, Treatment] = {}

    def letter(self, event: Event) -> DeadLetter | None:
        """The dead letter that the event is to be, None for one that is treated as usual."""
        if event.seq not in self._treatments:
            return None
        if self._treatments[event.seq] is Treatment.BARE_DEAD_LETTER:
            event = event._replace(event_type=event.event_type[:SHOWN], key="", payload="null", headers=None)
        return DeadLetter(event, self._reasons[event.seq])

    def failed(self, seqs: Sequence[int], reason: str) -> None:
        """A batch of the events `seqs` (ascending) failed; empty where no batch was in hand."""
        if not seqs:
            return
        self._failures = self._failures + 1 if seqs[0] <= self._last else 1
        self._last = max(self._last, seqs[-1])
        if self._failures < PATIENCE:
            return
        if len(seqs) > 1:
            self._shrink(seqs)
        else:
            is_dead_letter = seqs[0] in self._treatments
            self._treatments[seqs[0]] = Treatment.BARE_DEAD_LETTER if is_dead_letter else Treatment.DEAD_LETTER
            self._reasons.setdefault(seqs[0], reason)

    def doubted(self, seqs: Sequence[int]) -> None:
        """Nobody knows what became of a batch of the events `seqs` (ascending): they may be too many at once."""
        self._doubts += 1
        if self._doubts >= PATIENCE:
            self._doubted_to = max(self._doubted_to, seqs[-1])
            self._shrink(seqs)

    def _shrink(self, seqs: Sequence[int]) -> None:
        self.limit = max(len(seqs) // SHRINKING, 1)

    def passed(self, seqs: Sequence[int]) -> None:
        """A batch of the events `seqs` (ascending; none where it only parked some) was published."""
        for seq in seqs if self._treatments else ():
            self._treatments.pop(seq, None)
            self._reasons.pop(seq, None)
        if self.limit is not None and seqs and seqs[-1] >= max(self._last, self._doubted_to):
            self.limit = None
        if self.limit is None:
            self._failures = self._doubts = 0
