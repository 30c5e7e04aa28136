"""The bundle behind mosec: HTTP and batching in Rust, the model in Python processes."""

from __future__ import annotations

from typing import Any

from mosec import Server, Worker

from benchmarks.serve.servers.answers import Answers
from benchmarks.serve.servers.options import PATH, ServerOptions


class Predict(Worker):
    """mosec hands over a list of bodies when it batches, else one body."""

    def __init__(self) -> None:
        options = ServerOptions.from_environment()
        self._batched = options.max_batch_size > 1
        self._answers = Answers(options)

    def forward(self, data: Any) -> Any:
        if self._batched:
            return self._answers.of_bodies(data)
        return self._answers.of_bodies([data])[0]


def main() -> None:
    options = ServerOptions.from_environment()
    server = Server()
    server.append_worker(
        Predict,
        num=options.workers,
        max_batch_size=options.max_batch_size,
        max_wait_time=options.max_wait_ms,
        route=PATH,
    )
    server.run()


if __name__ == "__main__":
    main()
