"""The bundle behind LitServe: uvicorn processes, a queue, model processes that batch."""

from __future__ import annotations

from typing import Any

import litserve

from benchmarks.serve.servers.answers import Answers
from benchmarks.serve.servers.options import HOST, PATH, ServerOptions


class Predict(litserve.LitAPI):
    """LitServe hands over a list of bodies when it batches, else one body."""

    def setup(self, device: str) -> None:
        self._answers = Answers(ServerOptions.from_environment())

    # Two without annotations, which FastAPI would read: bare, they are JSON in and JSON out.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return request

    def predict(self, body: Any) -> Any:
        if isinstance(body, list):
            return self._answers.of_bodies(body)
        return self._answers.of_bodies([body])[0]

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        return output


def main() -> None:
    options = ServerOptions.from_environment()
    api = Predict(
        max_batch_size=options.max_batch_size,
        batch_timeout=options.max_wait_ms / 1000,
        api_path=PATH,
    )
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        devices=1,
        workers_per_device=options.workers,
        timeout=False,
        fast_queue=True,  # documented for more than 100 requests a second
    )
    server.run(
        host=HOST,
        port=options.port,
        num_api_servers=options.workers,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main()
