"""A real relay's traces: a collector gets its batches, linked to the writers', whose traces consumers continue."""

from __future__ import annotations

from fix_relay import Site
from otlp_receiver import receiver

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_writers_trace_is_linked_and_goes_on_to_consumers(site: Site) -> None:
    with site.connect() as db, db.transaction():
        db.execute("select set_config('bridge.traceparent', %s, true)", (f"00-{TRACE}-{SPAN}-01",))
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": 1}')")
    with receiver() as collector:
        site.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        log = site.drain()
        requests = list(collector.requests)
    assert "trace" not in log  # nothing is said where all is well
    scopes = [scope for request in requests for of in request.resource_spans for scope in of.scope_spans]
    spans = [span for scope in scopes for span in scope.spans]
    (send,) = [span for span in spans if span.name == f"send {site.name}.things"]
    (batch,) = [span for span in spans if span.span_id == send.parent_span_id]
    assert (batch.name, batch.trace_id, batch.parent_span_id) == ("batch", send.trace_id, b"")
    assert batch.start_time_unix_nano <= send.start_time_unix_nano < send.end_time_unix_nano <= batch.end_time_unix_nano
    (link,) = send.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, SPAN)
    assert send.trace_id.hex() != TRACE
    (record,) = site.records()[f"{site.name}.things"]
    assert record.headers["traceparent"] == f"00-{TRACE}-{SPAN}-01"
