"""What a peer is: a title, an environment, a command, and the variants that are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serve.servers.options import ServerOptions

LAYOUTS = ((1, 1), (1, 2), (2, 1))
"""Workers, and threads within a run of the model in each."""


@dataclass(frozen=True)
class Variant:
    """How a peer is set up."""

    label: str
    workers: int = 1
    threads: int = 1
    max_batch_size: int = 1
    max_wait_ms: int = 0

    def options(self, bundle: Path, port: int) -> ServerOptions:
        """What its server is told."""
        return ServerOptions(
            bundle=str(bundle),
            port=port,
            workers=self.workers,
            threads=self.threads,
            max_batch_size=self.max_batch_size,
            max_wait_ms=self.max_wait_ms,
        )


@dataclass(frozen=True)
class Peer:
    """A way to serve the bundle, or nothing at all."""

    name: str
    title: str
    environment: str
    """Which of `benchmarks.serve.environments` it runs in."""
    variants: tuple[Variant, ...]
    command: Callable[[Path, ServerOptions], list[str]]
    """The command line, given the environment's interpreter."""
    variables: Callable[[ServerOptions], Mapping[str, str]] = field(default=lambda options: {})
    """Environment variables of its own."""
    answers: bool = True
    """Whether it runs the model, so that its answers can be checked."""


def grid(batches: Iterable[tuple[int, int]]) -> tuple[Variant, ...]:
    """Every layout with every (requests in a batch, milliseconds to wait for them)."""
    return tuple(
        Variant(_label(*layout, *batch), *layout, *batch) for batch in batches for layout in LAYOUTS
    )


def run_module(name: str) -> Callable[[Path, ServerOptions], list[str]]:
    """A command that runs a module of `benchmarks.serve.servers`."""
    return lambda python, options: [str(python), "-m", f"benchmarks.serve.servers.{name}"]


def _label(workers: int, threads: int, max_batch_size: int, max_wait_ms: int) -> str:
    layout = f"{_count(workers, 'worker')} of {_count(threads, 'thread')}"
    if max_batch_size == 1:
        return f"{layout}, no batching"
    waiting = f", {max_wait_ms} ms" if max_wait_ms else ""
    return f"{layout}, batches of {max_batch_size}{waiting}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"
