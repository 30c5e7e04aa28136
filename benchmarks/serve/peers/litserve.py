"""LitServe: batches by size and time, as many API servers as workers, the fast queue on."""

from __future__ import annotations

from benchmarks.serve.peers.peer import Peer, grid, run_module

BATCHES = ((32, 1), (1, 0), (8, 1), (32, 10))
PEER = Peer("litserve", "LitServe", "litserve", grid(BATCHES), run_module("litserve"))
