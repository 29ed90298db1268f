"""How fast things go, by what looks at the same bridge have shown: an hour of them, at one interval."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.admin.overview import Overview, Running

ALL = "all"
Name = tuple[str, str]  # of what: "shard", "topic" or ALL; and which


@dataclass(frozen=True, slots=True)
class Report:
    """What a relay last said of itself, when, and its rates by topic since it had said so before; None: it had not."""

    at: datetime
    published: Mapping[str, int]
    rates: Mapping[str, float] | None


class Pace:
    """Rates in events a second, and what is pending; a look that failed leaves a longer interval, and no gap."""

    def __init__(self, looks: int) -> None:
        """`looks`: how many are kept."""
        self._looks = looks
        self._before: tuple[float, dict[Name, int]] | None = None
        self._reports: dict[str, Report] = {}  # of each relay that is alive
        self._now: dict[Name, float] = {}
        self._known: set[str] = set()  # what rates are known of
        self._rates: dict[Name, deque[float]] = {}
        self.pending: deque[int] = deque(maxlen=looks)
        self.oldest: deque[float] = deque(maxlen=looks)

    def add(self, seen: Overview) -> None:
        """Take in one more look, later than those before."""
        self.pending.append(seen.pending)
        self.oldest.append(seen.oldest_seconds or 0.0)
        self._now = self._between_looks(seen) | self._between_reports(seen)
        for name in self._rates.keys() | self._now.keys():
            rates = self._rates.setdefault(name, deque([0.0] * (len(self.pending) - 1), maxlen=self._looks))
            rates.append(self._now.get(name, 0.0))

    def rate(self, kind: str, name: str = "") -> float | None:
        """Now: between the last two looks; of a topic, relays' last two reports. None where there was but one."""
        return self._now.get((kind, name), 0.0) if kind in self._known else None

    def rates(self, kind: str, name: str = "") -> Sequence[float]:
        """As many as there were looks, the latest last."""
        return self._rates.get((kind, name), ())

    def topics(self) -> set[str]:
        """All that anything was published to."""
        return {name for kind, name in self._rates if kind == "topic"}

    def _between_looks(self, seen: Overview) -> dict[Name, float]:
        totals: dict[Name, int] = {(ALL, ""): seen.published}
        totals |= {("shard", str(shard.shard)): shard.published for shard in seen.status.shards}
        at = seen.at.timestamp()
        then, before = self._before or (at, totals)
        self._before = at, totals
        if at <= then:
            return dict.fromkeys(totals, 0.0)
        self._known |= {ALL, "shard"}
        return {name: max(done - before.get(name, done), 0) / (at - then) for name, done in totals.items()}

    def _between_reports(self, seen: Overview) -> dict[Name, float]:
        """Relays report less often than is looked: between two looks there may be two of their reports, or none."""
        self._reports = {relay.relay_id: _report(relay, self._reports.get(relay.relay_id)) for relay in seen.relays}
        rates: dict[Name, float] = {}
        for report in self._reports.values():
            if report.rates is not None:
                self._known.add("topic")
            for topic in report.published:
                found = 0.0 if report.rates is None else report.rates[topic]
                rates["topic", topic] = rates.get(("topic", topic), 0.0) + found
        return rates


def _report(relay: Running, last: Report | None) -> Report:
    published = published_by_topic(relay.work)
    if last is None:
        return Report(relay.reported_at, published, None)
    span = (relay.reported_at - last.at).total_seconds()
    if span <= 0:
        return last
    rates = {topic: max(count - last.published.get(topic, 0), 0) / span for topic, count in published.items()}
    return Report(relay.reported_at, published, rates)


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
    listed = list(values)  # a deque has no slices
    if len(listed) <= most:
        return [round(value, 3) for value in listed]
    size = -(-len(listed) // most)
    first = len(listed) % size
    parts = [listed[:first]] if first else []
    parts += [listed[at : at + size] for at in range(first, len(listed), size)]
    return [round(sum(part) / len(part), 3) for part in parts]
