"""The bundle behind BentoML: its adaptive batching brings the texts of requests together."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.serve.servers.answers import Answers
from benchmarks.serve.servers.options import PATH, ServerOptions

options = ServerOptions.from_environment()
MAX_LATENCY_MS = 60_000  # beyond it BentoML answers 503; when to run it works out by itself


@bentoml.service(
    name="sentiment",
    workers=options.workers,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Sentiment:
    """A batchable call takes and gives a list; BentoML counts texts in it, not requests."""

    def __init__(self) -> None:
        self._answers = Answers(options)

    @bentoml.api(
        route=PATH,
        batchable=options.max_batch_size > 1,
        max_batch_size=max(2, options.max_batch_size),  # only read when it batches
        max_latency_ms=MAX_LATENCY_MS,
    )
    def predict(self, inputs: list[str]) -> list[dict[str, Any]]:
        return self._answers.of_texts(inputs)
