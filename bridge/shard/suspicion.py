"""Finds the event for which a batch fails again and again, for a reason that nobody foresaw.

The first failures may be chance. After `PATIENCE` of one batch its events are suspects, and are tried by halves, down
to one: the one that fails alone is to be a dead letter, and if that fails too, one without its content. What is left of
the batch is carried as usual, and if it fails, halved at once. Lives longer than a takeover, and than a shard's thread.
Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from bridge.event import DeadLetter, Event

PATIENCE = 3  # failures before a batch is suspected
SHOWN = 200  # characters of its type that a bare dead letter keeps
SHRINKING = 16  # by this factor a batch gets smaller that may be too large for a slow link


class Treatment(Enum):
    """What becomes of an event that fails alone."""

    DEAD_LETTER = "a dead letter"
    BARE_DEAD_LETTER = "a dead letter without key, headers and payload"


class Suspicion:
    """What is suspected of one shard's events, by their seqs."""

    def __init__(self) -> None:
        self._failures = self._doubts = 0
        self._last = 0  # up to this seq, the batch that failed first is still to be tried
        self._suspects: frozenset[int] = frozenset()  # for one of these, batches fail
        self._small: int | None = None  # events in a batch that is not too large for a slow link,
        self._small_to = 0  # up to this seq
        self._reasons: dict[int, str] = {}
        self._treatments: dict[int, Treatment] = {}

    @property
    def limit(self) -> int | None:
        """Events that the next batch may have; None: as many as usual."""
        half = max(len(self._suspects) // 2, 1) if self._suspects else None
        return min((limit for limit in (half, self._small) if limit is not None), default=None)

    @property
    def is_narrowing(self) -> bool:
        """Whether some event among several is being looked for."""
        return bool(self._suspects)

    def letter(self, event: Event) -> DeadLetter | None:
        """The dead letter that the event is to be, None for one that is treated as usual."""
        if event.seq not in self._treatments:
            return None
        if self._treatments[event.seq] is Treatment.BARE_DEAD_LETTER:
            event = event._replace(event_type=event.event_type[:SHOWN], key="", payload="null", headers=None)
        return DeadLetter(event, self._reasons[event.seq])

    def failed(self, seqs: Sequence[int], reason: str, *, is_chance: bool = True) -> bool:
        """A batch of the events `seqs` (ascending) failed; empty where no batch was in hand.

        `is_chance`: it may have been, and the same batch may pass. Returns whether more is known now than before, so
        that the next try is another one.
        """
        if not seqs:
            return False
        self._failures = self._failures + 1 if seqs[0] <= self._last else 1
        self._last = max(self._last, seqs[-1])
        if self._failures < PATIENCE and is_chance:
            return False
        if len(seqs) > 1:
            known, self._suspects = self._suspects, frozenset(seqs)
            return not known or len(seqs) < len(known)
        former = self._treatments.get(seqs[0])
        self._treatments[seqs[0]] = Treatment.DEAD_LETTER if former is None else Treatment.BARE_DEAD_LETTER
        self._reasons.setdefault(seqs[0], reason)
        return former is not Treatment.BARE_DEAD_LETTER

    def doubted(self, seqs: Sequence[int]) -> None:
        """Nobody knows what became of a batch of the events `seqs` (ascending): they may be too many at once."""
        self._doubts += 1
        if self._doubts >= PATIENCE:
            self._small_to = max(self._small_to, seqs[-1])
            self._small = max(len(seqs) // SHRINKING, 1)

    def passed(self, seqs: Sequence[int]) -> None:
        """A batch of the events `seqs` (ascending; none where it only parked some) was published."""
        for seq in seqs if self._treatments else ():
            self._treatments.pop(seq, None)
            self._reasons.pop(seq, None)
        if self._suspects and seqs:
            self._clear(seqs)
        if self._small is not None and seqs and seqs[-1] >= self._small_to:
            self._small = None
        if self._small is None:
            self._doubts = 0
        if seqs and seqs[-1] >= self._last and not self._suspects:
            self._failures = 0

    def _clear(self, seqs: Sequence[int]) -> None:
        """Of those that were published none was it; nor is it among what was passed by, and is parked now."""
        is_passed_by = seqs[0] > max(self._suspects)
        self._suspects = frozenset() if is_passed_by else self._suspects.difference(seqs)
