"""How fast things go, by what looks at the same bridge have shown: an hour of them, at one interval."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from bridge.admin.overview import Overview

ALL = "all"
Name = tuple[str, str]  # of what: "shard", "topic" or ALL; and which


class Pace:
    """Rates in events a second, and what is pending; a look that failed leaves a longer interval, and no gap."""

    def __init__(self, looks: int) -> None:
        """`looks`: how many are kept."""
        self._looks = looks
        self._before: tuple[float, dict[Name, int]] | None = None
        self._work: dict[tuple[str, str], int] = {}  # of each relay and topic, as it last said
        self._totals: dict[str, int] = {}  # of each topic, whichever relays have come and gone
        self._rates: dict[Name, deque[float]] = {}
        self.pending: deque[int] = deque(maxlen=looks)
        self.oldest: deque[float] = deque(maxlen=looks)

    def add(self, seen: Overview) -> None:
        """Take in one more look, later than those before."""
        at, totals = seen.at.timestamp(), self._add_up(seen)
        then, before = self._before or (at, totals)
        span = at - then
        self._before = at, totals
        self.pending.append(seen.pending)
        self.oldest.append(seen.oldest_seconds or 0.0)
        for name in self._rates.keys() | totals.keys():
            new_from = (
                0 if name[0] == "topic" else totals.get(name, 0)
            )  # ours begin with the first look, others' earlier
            done = totals.get(name, 0) - before.get(name, new_from)
            rates = self._rates.setdefault(name, deque([0.0] * (len(self.pending) - 1), maxlen=self._looks))
            rates.append(max(done, 0) / span if span > 0 else 0.0)

    def rate(self, kind: str, name: str = "") -> float:
        """Between the last two looks."""
        rates = self._rates.get((kind, name))
        return rates[-1] if rates else 0.0

    def rates(self, kind: str, name: str = "") -> Sequence[float]:
        """As many as there were looks, the latest last."""
        return self._rates.get((kind, name), ())

    def topics(self) -> set[str]:
        """All that anything was published to."""
        return {name for kind, name in self._rates if kind == "topic"}

    def _add_up(self, seen: Overview) -> dict[Name, int]:
        totals: dict[Name, int] = {(ALL, ""): seen.published}
        totals |= {("shard", str(shard.shard)): shard.published for shard in seen.status.shards}
        for relay in seen.relays:
            for topic, count in published_by_topic(relay.work).items():
                known = self._work.get((relay.relay_id, topic), 0 if self._before else count)
                self._work[relay.relay_id, topic] = count
                self._totals[topic] = self._totals.get(topic, 0) + max(count - known, 0)
        alive = {relay.relay_id for relay in seen.relays}
        self._work = {key: count for key, count in self._work.items() if key[0] in alive}
        return totals | {("topic", topic): count for topic, count in self._totals.items()}


def published_by_topic(work: Mapping[str, object]) -> dict[str, int]:
    """What a relay says that it has published, by topic."""
    topics = work.get("published")
    return (
        {str(topic): count for topic, count in topics.items() if isinstance(count, int)}
        if isinstance(topics, dict)
        else {}
    )


def thinned(values: Sequence[float], most: int) -> list[float]:
    """At most `most` means of neighbours, the latest last."""
    if len(values) <= most:
        return [round(value, 3) for value in values]
    size = -(-len(values) // most)
    first = len(values) % size
    parts = [values[:first]] if first else []
    listed = list(values)
    parts += [listed[at : at + size] for at in range(first, len(listed), size)]
    return [round(sum(part) / len(part), 3) for part in parts]
