"""How the benchmark tells a server what to serve: in the environment, as some own their flags."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

PREFIX = "BENCHMARK_"
HOST = "127.0.0.1"
PATH = "/predict"


@dataclass(frozen=True)
class ServerOptions:
    """One variant of a peer, on a port."""

    bundle: str
    port: int
    workers: int = 1
    """Processes that run the model."""
    threads: int = 1
    """Threads within one run of the model."""
    max_batch_size: int = 1
    """Requests in one run; 1 turns the peer's batching off."""
    max_wait_ms: int = 0
    """How long the first of a batch waits for others."""

    @property
    def bundle_path(self) -> Path:
        return Path(self.bundle)

    def to_environment(self) -> dict[str, str]:
        """The inverse of `from_environment`."""
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ServerOptions:
        """The options that the benchmark started this process with."""
        found = {name: environment[f"{PREFIX}{name.upper()}"] for name in cls.__dataclass_fields__}
        bundle = found.pop("bundle")
        return cls(bundle, **{name: int(value) for name, value in found.items()})
