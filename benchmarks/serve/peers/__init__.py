"""Who is compared: each peer in a module of its own, each server in `benchmarks.serve.servers`."""

from __future__ import annotations

from benchmarks.serve.peers import bentoml, litserve, mosec, nothing, ours, ray_serve
from benchmarks.serve.peers.peer import Peer

OURS = ours.PEER
PEERS: dict[str, Peer] = {
    module.PEER.name: module.PEER for module in (ours, nothing, mosec, litserve, bentoml, ray_serve)
}
