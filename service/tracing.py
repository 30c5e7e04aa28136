"""Traces by OpenTelemetry, where they are configured; else none of it is imported here."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import time_ns
from typing import Any, Protocol

from service import __version__
from service.errors import SentimentError
from service.records import RequestRecord
from service.replies import Timing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACES_PATH = "/v1/traces"
UNTRACED = ("/health/live", "/health/ready", "/metrics")  # asked every few seconds, by machines
LAST_EXPORT_S = 5.0

FRAMEWORK_TELEMETRY = {
    # FastAPI's own, as soon as anything configures it: it sends on the query of an address and
    # the messages of exceptions, which may quote a text.
    "auto_configure": False,
    "logs": False,
    "metrics": False,
    "operation_spans": False,
    "tracing": False,
}


class TracingError(SentimentError):
    """Traces are configured, but what sends them is not installed."""


class Tracer(Protocol):
    """What becomes of a request, as spans. Called on the event loop only."""

    def begin(self, record: RequestRecord, scope: Mapping[str, Any]) -> None:
        """A request has come in."""

    def note_reply(self, record: RequestRecord, timing: Timing) -> None:
        """The pipeline has answered, just now, a request or a part of it."""

    def end(self, record: RequestRecord, method: str, route: str | None) -> None:
        """The request has been answered."""


class NoTracer:
    """Traces nothing."""

    def begin(self, record: RequestRecord, scope: Mapping[str, Any]) -> None:
        pass

    def note_reply(self, record: RequestRecord, timing: Timing) -> None:
        pass

    def end(self, record: RequestRecord, method: str, route: str | None) -> None:
        pass


def check_tracing(endpoint: str) -> None:
    """Raise TracingError when traces are configured and cannot be sent."""
    if _is_configured(endpoint) and not _is_installed():
        raise TracingError(
            "traces are configured, but OpenTelemetry is not installed; "
            "install sentiment-service[otel]"
        )


@asynccontextmanager
async def open_tracer(endpoint: str) -> AsyncIterator[Tracer]:
    """A tracer to the OTLP endpoint, that of the setting or of OpenTelemetry's variables.

    Its threads do not survive a fork: to be opened in the process that serves.
    """
    if not _is_configured(endpoint):
        yield NoTracer()
        return
    check_tracing(endpoint)
    provider = _open_provider(endpoint)
    try:
        yield OtelTracer(provider)
    finally:
        # A collector that is gone must not hold up the end: what cannot be sent is lost.
        closing = threading.Thread(target=provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, LAST_EXPORT_S)


class OtelTracer:
    """A span for each request, with children for tokenizing, queue and inference."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._api = trace
        self._tracer = provider.get_tracer("service", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, record: RequestRecord, scope: Mapping[str, Any]) -> None:
        path: str = scope["path"]
        if path.endswith(UNTRACED):
            return
        span = self._tracer.start_span(
            scope["method"],
            context=self._propagator.extract(_trace_headers(scope)),
            kind=self._api.SpanKind.SERVER,
            attributes={
                "http.request.method": scope["method"],
                "url.path": path,
                "url.scheme": scope["scheme"],
                "sentiment.request_id": record.id,
            },
        )
        record.span = span
        record.trace_id = self._api.format_trace_id(span.get_span_context().trace_id)

    def note_reply(self, record: RequestRecord, timing: Timing) -> None:
        if record.span is None or not record.span.is_recording():
            return
        # Measured already, so written down afterwards: nothing of it stands in the stages.
        parent = self._api.set_span_in_context(record.span)
        at_ns = time_ns() - _to_ns(timing.total_s)
        for name, seconds in (
            ("tokenize", timing.tokenize_s),
            ("queue", timing.queue_s),
            ("infer", timing.infer_s),
        ):
            span = self._tracer.start_span(name, context=parent, start_time=at_ns)
            at_ns += _to_ns(seconds)
            span.end(at_ns)

    def end(self, record: RequestRecord, method: str, route: str | None) -> None:
        span = record.span
        if span is None:
            return
        if route:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", record.status)
        span.set_attribute("sentiment.texts", record.texts)
        span.set_attribute("sentiment.tokens", record.tokens)
        if record.refusal:
            span.set_attribute("error.type", record.refusal)
        if record.status >= 500:
            span.set_status(self._api.StatusCode.ERROR)
        span.end()


def _is_configured(endpoint: str) -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and bool(endpoint or any(map(os.environ.get, ENDPOINTS)))


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def _open_provider(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    url = endpoint.rstrip("/") + TRACES_PATH if endpoint else None  # None: as the variables say
    attributes = {"service.version": __version__}
    if "OTEL_SERVICE_NAME" not in os.environ:
        attributes["service.name"] = "sentiment"
    # Not by its own hook at exit: this process ends the provider itself, and not for long.
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider


def _trace_headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {
        name.decode(): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in (b"traceparent", b"tracestate")
    }


def _to_ns(seconds: float) -> int:
    return round(seconds * 1e9)
