"""mosec: its tuning guide says to try max_batch_size and max_wait_time."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.serve.peers.peer import Peer, grid, run_module
from benchmarks.serve.servers.options import HOST, ServerOptions

BATCHES = ((32, 1), (1, 1), (8, 1), (16, 1), (64, 1), (32, 5))


def configure(options: ServerOptions) -> Mapping[str, str]:
    """mosec's own settings; its default time limit of 3 s would refuse slow answers."""
    return {
        "MOSEC_ADDRESS": HOST,
        "MOSEC_PORT": str(options.port),
        "MOSEC_TIMEOUT": "60000",
        "MOSEC_LOG_LEVEL": "warning",
    }


PEER = Peer("mosec", "mosec", "mosec", grid(BATCHES), run_module("mosec"), configure)
