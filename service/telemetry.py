"""What is seen of the service from outside: metrics, log and traces, at the stages' boundaries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.batcher import RunBatch
from service.engine import Float32
from service.errors import RequestError
from service.logs import AccessLog
from service.metrics import Metrics, ModelMetrics
from service.pipeline import Pipeline
from service.records import CLIENT_CLOSED_REQUEST, RequestIds, RequestRecord, current_record
from service.replies import Reply
from service.tracing import NoTracer, Tracer

LOOK_EVERY_S = 0.5
REQUEST_ID = b"x-request-id"

Clock = Callable[[], float]


class Telemetry:
    """Hears of requests, replies and engine runs, and tells metrics, log and traces."""

    def __init__(
        self, metrics: Metrics, access_log: AccessLog, clock: Clock = perf_counter
    ) -> None:
        self.metrics = metrics
        self.tracer: Tracer = NoTracer()  # until the process that serves has opened one
        self.clock = clock
        self._access_log = access_log
        self._ids = RequestIds()

    def watch_run(self, model: str, run: RunBatch) -> RunBatch:
        """`run`, with every batch measured."""
        metrics = self.metrics.model(model)

        def watched(texts: Sequence[Sequence[int]]) -> Float32:
            return self._run(run, metrics, texts)

        return watched

    def note_hits(self, model: str, texts: int) -> None:
        """The cache has answered texts that would have run."""
        self.metrics.model(model).note_hits(texts)

    def note_reply(self, reply: Reply) -> None:
        """The pipeline has answered a request, or a part of a long one."""
        metrics = self.metrics.model(reply.model)
        metrics.note_queued(reply.timing.queue_s)
        record = current_record.get()
        tokens = 0
        for item in reply.items:
            if isinstance(item, RequestError):
                metrics.note_refused_text(item.type)
            else:
                tokens += len(item.encoded.ids)
        if record:
            record.texts += len(reply.items)
            record.tokens += tokens
            self.tracer.note_reply(record, reply.timing)

    def begin(self, scope: Scope) -> RequestRecord:
        """A request has come in."""
        proposed = next((value for name, value in scope["headers"] if name == REQUEST_ID), None)
        record = RequestRecord(self._ids.choose(proposed))
        self.tracer.begin(record, scope)
        return record

    def end(self, record: RequestRecord, scope: Scope, seconds: float) -> None:
        """A request has been answered; without a status its client has gone before."""
        method, route = scope["method"], getattr(scope.get("route"), "path", None)
        record.status = record.status or CLIENT_CLOSED_REQUEST
        self.metrics.note_request(method, route, record.status, seconds)
        if record.refusal:
            self.metrics.note_refusal(record.refusal)
        self.tracer.end(record, method, route)
        self._access_log.write(record, method, scope["path"], seconds)

    def _run(self, run: RunBatch, metrics: ModelMetrics, texts: Sequence[Sequence[int]]) -> Float32:
        began_s = self.clock()
        try:
            logits = run(texts)
        except Exception:
            metrics.note_failure()
            raise
        seconds = self.clock() - began_s
        lengths = [len(ids) for ids in texts]
        metrics.note_run(len(lengths), sum(lengths), max(lengths), seconds)
        return logits


class Observed:
    """Pure ASGI middleware, outermost: every answer gets its X-Request-Id and is told of."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._telemetry.clock()
        record = self._telemetry.begin(scope)
        token = current_record.set(record)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID, record.id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._telemetry.end(record, scope, self._telemetry.clock() - began_s)
            current_record.reset(token)


async def watch_queues(pipeline: Pipeline, metrics: Metrics) -> None:
    """Look again and again at how much waits, until cancelled."""
    while True:
        note_queues(pipeline, metrics)
        await asyncio.sleep(LOOK_EVERY_S)


def note_queues(pipeline: Pipeline, metrics: Metrics) -> None:
    """Tell how much waits in each queue of this process."""
    for name, lane in pipeline.lanes.items():
        metrics.model(name).note_queue(lane.batcher.waiting_tokens, lane.batcher.waiting_texts)


def note_models(pipeline: Pipeline, metrics: Metrics) -> None:
    """Tell which models are served."""
    for name, lane in pipeline.lanes.items():
        manifest = lane.model.manifest
        metrics.note_model(name, manifest.name, manifest.version, lane.model.engine.provider)
