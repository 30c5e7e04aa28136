"""Ray Serve: dynamic request batching, and its settings for throughput.

Its HAProxy ingress would listen on every interface of the machine and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.serve.peers.peer import Peer, grid, run_module
from benchmarks.serve.servers.options import HOST, ServerOptions

BATCHES = ((32, 1), (1, 0))


def configure(options: ServerOptions) -> Mapping[str, str]:
    """Tuned for throughput behind Serve's own proxy; no reports to its maker."""
    return {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
        "RAY_SERVE_DEFAULT_HTTP_HOST": HOST,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
    }


PEER = Peer("ray", "Ray Serve", "ray", grid(BATCHES), run_module("ray_serve"), configure)
