"""BentoML: adaptive batching works out by itself how long to wait."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.serve.peers.peer import Peer, grid
from benchmarks.serve.servers.options import HOST, ServerOptions

BATCHES = ((64, 0), (1, 0))
"""A request of 64 texts has to fit into a batch."""

SERVICE = "benchmarks.serve.servers.bentoml:Sentiment"


def serve(python: Path, options: ServerOptions) -> list[str]:
    """`bentoml serve`, which takes the service from the current folder."""
    where = ["--host", HOST, "--port", str(options.port)]
    return [str(python), "-m", "bentoml", "serve", SERVICE, *where]


def configure(options: ServerOptions) -> Mapping[str, str]:
    """Its telemetry would leave this machine."""
    return {"BENTOML_DO_NOT_TRACK": "True"}


PEER = Peer("bentoml", "BentoML", "bentoml", grid(BATCHES), serve, configure)
