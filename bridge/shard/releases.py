"""When parked events are looked for: at a takeover, and whenever something may have released some of them.

That is a topic that is held no more, a person's decision, or a time that has come. A look costs a read, so it is not
done with each batch; but now and then without a reason, for what nobody tells of: rows that were mended by hand, the
server's clock that was set, an oversight of ours.
"""

from __future__ import annotations

LOOK_SECONDS = 300.0  # at most between two looks


class Releases:
    """For one shard that was taken over; times in seconds of its own clock."""

    def __init__(self) -> None:
        self._is_expected = True
        self._behind: set[int] = set()  # batches: once one of them is settled
        self._due_at = 0.0

    def expect(self) -> None:
        """Something may have been released."""
        self._is_expected = True

    def expect_behind(self, batch_no: int) -> None:
        """This batch has parked something of which a look tells when it is due."""
        self._behind.add(batch_no)

    def is_time(self, now: float, settled_no: int) -> bool:
        """Whether to look now, with all batches up to `settled_no` settled."""
        is_due = now >= self._due_at
        return self._is_expected or is_due or any(batch_no <= settled_no for batch_no in self._behind)

    def looked(
        self, now: float, found: int, settled_no: int, batch_no: int, *, is_full: bool, due_in: float | None
    ) -> None:
        """Take note of a look that saw the batches up to `settled_no`, and of the step that carried what it found.

        `due_in`: seconds until a time comes of which it knows.

        What batches in flight had parked it could not see, and what it found may have had others behind it that were
        parked meanwhile: it is looked once more when these are settled. A look that finds nothing ends that.
        """
        is_blind = self._is_expected and settled_no < batch_no
        self._behind = {behind for behind in self._behind if behind > settled_no}
        if found or is_blind:
            self._behind.add(batch_no)
        self._is_expected = is_full
        self._due_at = now + min(LOOK_SECONDS, LOOK_SECONDS if due_in is None else due_in)
