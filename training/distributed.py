"""One process or several (`torchrun`): the few questions that the loop asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

PATIENCE = timedelta(hours=2)
"""How long processes wait for the leader, which alone trains the tokenizer and scores dev."""


@dataclass(frozen=True)
class World:
    """This process among `size` that train together."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, value: float) -> float:
        """The leader's value, in every process."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, src=0)
        return float(shared.item())

    def any(self, value: bool) -> bool:
        """Whether the value is true in some process."""
        if self.size == 1:
            return value
        found = torch.tensor([float(value)], device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found.item())

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


def local_device() -> torch.device:
    """The GPU of this process among those on its machine, or the CPU."""
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


@contextmanager
def world() -> Iterator[World]:
    """The processes that torchrun started (NCCL on CUDA, gloo on a CPU), or this one alone."""
    size, device = int(os.environ.get("WORLD_SIZE", "1")), local_device()
    if size == 1:
        yield World(0, 1, device)
        return
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()
