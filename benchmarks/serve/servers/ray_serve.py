"""The bundle behind Ray Serve: a proxy, and replicas that batch."""

from __future__ import annotations

import signal
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.serve.servers.answers import Answer, Answers
from benchmarks.serve.servers.options import HOST, PATH, ServerOptions

options = ServerOptions.from_environment()


@serve.deployment(
    num_replicas=options.workers,
    max_ongoing_requests=256,
    ray_actor_options={"num_cpus": 0.1},
)
class Sentiment:
    """Each request waits on its own for its part of a batch."""

    def __init__(self) -> None:
        self._answers = Answers(options)

    @serve.batch(
        max_batch_size=options.max_batch_size,
        batch_wait_timeout_s=options.max_wait_ms / 1000,
    )
    async def answer(self, bodies: list[dict[str, Any]]) -> list[Answer]:
        return self._answers.of_bodies(bodies)

    async def __call__(self, request: Request) -> Answer:
        body = await request.json()
        if options.max_batch_size == 1:
            return self._answers.of_bodies([body])[0]
        answer: Answer = await self.answer(body)
        return answer


def main() -> None:
    ray.init(include_dashboard=False, _node_ip_address=HOST, logging_level="warning")
    serve.start(http_options={"host": HOST, "port": options.port})
    serve.run(Sentiment.bind(), route_prefix=PATH)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
