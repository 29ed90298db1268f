"""A batch's work as spans, by OpenTelemetry's conventions for messaging; nothing here sends any.

A batch is a span with one for each of its stages. That of publishing has links to the spans in which the events were
written: the writers' are the contexts of creation, which consumers continue, so the record's `traceparent` stays as
the writer gave it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context

from bridge.log_fields import about
from bridge.settings import Settings
from bridge.shard.work import Lap, Outcome, Stage, Work
from bridge.telemetry.meter import Meter
from bridge.text import place

logger = logging.getLogger(__name__)

SENT = (Outcome.PUBLISHED, Outcome.REPLAYED)
LETTERS = (Outcome.DEAD, Outcome.REFUSED)


class Spans(Meter):
    """Makes them, until it fails: what only tells must not disturb what carries."""

    def __init__(self, tracer: Tracer, settings: Settings) -> None:
        self._tracer = tracer
        self._dead_letters = settings.topics.dead_letters
        self._has_failed = False

    def worked(self, shard: int, work: Work, now: float) -> None:
        if self._has_failed:
            return
        try:
            self._trace(shard, work, _Clock(now))
        except Exception as error:  # a bug of ours or of a plug-in for sampling
            self._has_failed = True
            what = about("traces-failed", exception=place(error))
            logger.error("unforeseen: %s; no more traces are made. Please report it", place(error), extra=what)

    def _trace(self, shard: int, work: Work, clock: _Clock) -> None:
        attributes = {"bridge.shard": shard, "bridge.batch": work.batch_no, "bridge.batch.events": work.events}
        began, ended = clock.at(work.laps[0].began), clock.at(work.laps[-1].ended)
        batch = self._tracer.start_span("batch", Context(), attributes=attributes, start_time=began)
        if batch.is_recording():
            inside = set_span_in_context(batch, Context())
            for lap in work.laps:
                self._stage(work, lap, inside, clock.at(lap.began)).end(clock.at(lap.ended))
        batch.end(ended)

    def _stage(self, work: Work, lap: Lap, inside: Context, began: int) -> Span:
        messages = self._messages(work) if lap.stage is Stage.PUBLISH else {}
        if not messages:
            return self._tracer.start_span(lap.stage, inside, start_time=began)
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": sum(messages.values()),
        }
        name = "send"
        if len(messages) == 1:
            (topic,) = messages
            name, attributes["messaging.destination.name"] = f"send {topic}", topic
        links = [Link(_context(traceparent)) for traceparent in work.traceparents]
        return self._tracer.start_span(name, inside, SpanKind.CLIENT, attributes, links, began)

    def _messages(self, work: Work) -> Mapping[str, int]:
        """How many events' records each topic got."""
        found: dict[str, int] = {}
        for (_, topic, outcome), count in work.counts.items():
            if outcome in SENT or outcome in LETTERS:
                to = topic if outcome in SENT else self._dead_letters
                found[to] = found.get(to, 0) + count
        return found


class _Clock:
    """From a shard's clock, which is monotonic, to nanoseconds since 1970."""

    def __init__(self, now: float) -> None:
        self._offset = time.time_ns() - round(now * 1e9)

    def at(self, moment: float) -> int:
        return self._offset + round(moment * 1e9)


def _context(traceparent: str) -> SpanContext:
    _, trace, span, flags = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
