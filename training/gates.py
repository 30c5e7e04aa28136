"""What every gate of a bundle's network does along a text, read by the cells by hand."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from torch import Tensor

from service.model import Model
from service.postprocess import Float64, Scored, scored
from service.texts import TextLimits, encode_text
from training.cells import from_torch
from training.config import Cell, parse_run
from training.errors import ExportError
from training.export import read_graph
from training.model import Classifier

MAX_TOKENS = 100  # more words than that cannot be told apart in a picture
MAX_CHARS = 10_000
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Flow:
    """How a gated memory m moves: m_t = kept_t * m_(t-1) + written_t. Each is (T, H)."""

    kept: Float64
    """The share of each unit's memory that a word lets live, in 0 to 1."""
    written: Float64
    left: Float64
    """What later words left of `written`. Its sum over the words is the memory at the end."""


@dataclass(frozen=True)
class Direction:
    """The top layer in one direction. Rows are in the order of the text: (T, H)."""

    name: Literal["forward", "backward"]
    trace: dict[str, Float64]
    """Gates, candidate and states by name."""
    flow: Flow | None
    """None for a simple net, which has no gates."""
    contributions: Float64
    """What each unit adds to the winning logit, above its mean over all logits: (H,)."""

    def strongest(self, count: int) -> list[int]:
        """The units that add most to the winning logit, falling."""
        order: list[int] = np.argsort(-self.contributions, kind="stable")[:count].tolist()
        return order


@dataclass(frozen=True)
class GateReading:
    """A text as the cells by hand read it."""

    cell: Cell
    pieces: list[str]
    answer: Scored
    difference: float
    """Largest difference of a probability from the one that the service gives."""
    directions: list[Direction]


def read_gates(model: Model, text: str, *, truncate: bool = False) -> GateReading:
    """Read a text with a bundle's own weights, cell by hand, and check the answer.

    Raises TooLarge or InvalidInput for a text that cannot be read, ConfigError for a bundle
    without its run, ExportError when the service's answer differs by more than 1e-5.
    """
    limits = TextLimits(MAX_CHARS, min(MAX_TOKENS, model.manifest.max_tokens))
    ids = encode_text(model.tokenizer, text, limits, truncate).ids
    network = _network_of(model)
    with torch.no_grad():
        embedded = network.embedding(torch.tensor(ids))[:, None]  # (T, 1, E)
        outputs, _, traces = from_torch(network.encoder.rnn)(embedded)  # (T, 1, D * H)
        pooled = network.pool(outputs.transpose(0, 1))  # (1, P * D * H)
        logits = network.head(pooled)  # (1, C)
    probabilities = model.probabilities(logits.numpy())[0]
    difference = float(abs(probabilities - model.probabilities(model.logits([ids]))[0]).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{model.bundle.path}: by hand a probability differs from the service's by "
            f"{difference:.1e}, more than {TOLERANCE:.0e}"
        )
    contributions = _contributions(network, pooled[0], int(probabilities.argmax()))
    directions = [
        _direction(trace, backward=bool(index), contributions=row)
        for index, (trace, row) in enumerate(
            zip(traces[-network.encoder.directions :], contributions, strict=True)
        )
    ]
    return GateReading(
        cell=network.config.cell,
        pieces=model.tokenizer.pieces(ids),
        answer=scored(probabilities, model.manifest.labels),
        difference=difference,
        directions=directions,
    )


def write_gates(reading: GateReading, path: Path) -> None:
    """Every value of the top layer as CSV, a row for each direction, piece and unit."""
    names = list(reading.directions[0].trace)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["direction", "step", "piece", "unit", "contribution", *names])
        for direction in reading.directions:
            values = np.stack([direction.trace[name] for name in names], axis=-1)  # (T, H, N)
            for step, (piece, units) in enumerate(zip(reading.pieces, values, strict=True)):
                for unit, row in enumerate(units):
                    numbers = [f"{x:.6g}" for x in (direction.contributions[unit], *row)]
                    writer.writerow([direction.name, step, piece, unit, *numbers])


def _network_of(model: Model) -> Classifier:
    """The bundle's weights, in float64: rounding is left to the side that serves."""
    manifest = model.manifest
    config = parse_run(manifest.run, source=f"{model.bundle.path}: the run in its manifest").model
    graph = onnx.load_from_string(model.bundle.model)
    return read_graph(graph, config, manifest.pad_id, manifest.unk_id).double()


def _contributions(network: Classifier, pooled: Tensor, winner: int) -> Float64:
    """What each unit adds to the winning logit through all poolings: (D, H).

    Probabilities depend on differences of logits only, so weights count from their mean.
    """
    weight = network.head.weight.detach()  # (C, P * D * H)
    shares = (weight[winner] - weight.mean(dim=0)) * pooled
    poolings = len(network.pool.kinds)
    return shares.view(poolings, network.encoder.directions, -1).sum(dim=0).numpy()


def _direction(trace: dict[str, Tensor], *, backward: bool, contributions: Float64) -> Direction:
    values = {name: steps[:, 0].numpy() for name, steps in trace.items()}
    name: Literal["forward", "backward"] = "backward" if backward else "forward"
    return Direction(name, values, _flow(values, backward), contributions)


def _flow(trace: dict[str, Float64], backward: bool) -> Flow | None:
    if "forget" in trace:
        kept, written = trace["forget"], trace["input"] * trace["candidate"]
    elif "update" in trace:
        kept, written = trace["update"], (1 - trace["update"]) * trace["candidate"]
    else:
        return None
    in_turn = kept if backward else kept[::-1]  # the last word read comes first
    later = np.cumprod(np.concatenate([np.ones_like(kept[:1]), in_turn[:-1]]), axis=0)
    return Flow(kept, written, written * (later if backward else later[::-1]))
