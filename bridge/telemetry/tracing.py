"""Spans are sent over OTLP where the environment names a collector; OTEL_* variables say all about it.

A collector that is away, slow or refuses costs spans, and a thread that waits for it: nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.errors import ConfigError
from bridge.log_fields import about
from bridge.settings import Settings
from bridge.telemetry.meter import Meter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"
MOST_LINKS = 128  # of a span: what the SDK keeps, where OTEL_SPAN_LINK_COUNT_LIMIT does not say otherwise
END_SECONDS = 2.0  # to wait at the end for what is not sent yet


class Tracing:
    """What makes spans (`meter`), and sends them in a thread of its own until `close()`."""

    def __init__(self, meter: Meter, provider: TracerProvider) -> None:
        self.meter = meter
        self._provider = provider

    def close(self) -> None:
        """Send what there is, as far as that is possible within END_SECONDS."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces' end", daemon=True)
        ending.start()
        ending.join(END_SECONDS)


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a collector of traces, and does not say that none are to be sent."""
    is_off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    return not is_off and exporter == "otlp" and any(environ.get(name, "").strip() for name in ENDPOINTS)


def open_tracing(settings: Settings, relay_id: str, environ: Mapping[str, str]) -> Tracing | None:
    """None where no traces are wanted, or none can be made, which is said: a relay carries events without them."""
    if not is_wanted(environ):
        return None
    try:
        return _open(settings, relay_id, environ)
    except (ConfigError, ValueError) as error:  # the SDK's, for a variable that it cannot read
        logger.warning("no traces are sent: %s", error, extra=about("traces-off"))
        return None


def _open(settings: Settings, relay_id: str, environ: Mapping[str, str]) -> Tracing:
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), HTTP)
    if protocol != HTTP:
        raise ConfigError(
            f"{protocol[:40]!r} is not spoken", hint=f"Set {PROTOCOLS[1]}={HTTP}, and a port that takes it"
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError("OpenTelemetry is not installed", hint="pip install 'bridge-cdc[otel]'") from error
    from bridge.telemetry.spans import Spans

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # says every failure; we say it once
    ours = {
        "service.name": "bridge",
        "service.version": __version__,
        "service.instance.id": relay_id,
        "bridge.name": settings.relay.name,
    }
    resource = Resource.create({**ours, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_said_once(OTLPSpanExporter())))
    return Tracing(Spans(provider.get_tracer("bridge", __version__), settings), provider)


def _said_once(exporter: SpanExporter) -> SpanExporter:
    """The same, which says when spans cannot be sent any more, and when they are sent again."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class SaidOnce(SpanExporter):
        _is_failing = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            is_failing = result is not SpanExportResult.SUCCESS
            if is_failing and not self._is_failing:
                text = (
                    "traces cannot be sent to where OTEL_EXPORTER_OTLP_ENDPOINT says; events are carried all the same"
                )
                logger.warning(text, extra=about("traces-not-sent"))
            elif self._is_failing and not is_failing:
                logger.info("traces are sent again", extra=about("traces-sent"))
            self._is_failing = is_failing
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return SaidOnce()
