"""The service of this checkout, started as anyone would start it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serve.environments import SERVICE
from benchmarks.serve.peers.peer import Peer, Variant
from benchmarks.serve.servers.options import HOST, ServerOptions


def serve(python: Path, options: ServerOptions) -> list[str]:
    """`python -m service serve` with nothing but where and what."""
    bundle = options.bundle_path
    where = ["--host", HOST, "--port", str(options.port)]
    what = ["--models-dir", str(bundle.parent), "--models", bundle.name]
    return [str(python), "-m", "service", "serve", *where, *what]


PEER = Peer("ours", "this service", SERVICE, (Variant("defaults"),), serve)
