"""The endpoint that does nothing."""

from __future__ import annotations

from benchmarks.serve.environments import SERVICE
from benchmarks.serve.peers.peer import Peer, Variant, run_module

VARIANTS = (Variant("1 worker"), Variant("2 workers", workers=2))
PEER = Peer(
    "nothing", "do-nothing FastAPI", SERVICE, VARIANTS, run_module("nothing"), answers=False
)
