"""What every gate of a bundle's network does along a text, read by the cells by hand."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from service.model import Model
from service.postprocess import Float64, Scored, scored
from service.texts import TextLimits, encode_text
from training.cells import Params, Trace, from_torch, params_of, read_backward
from training.config import Cell, DirectionName
from training.errors import ExportError
from training.export import read_network
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

    name: DirectionName
    trace: dict[str, Float64]
    """Gates, candidate and states by name; `hidden` is before the projection, if there is one."""
    flow: Flow | None
    """None for a simple net, which has no gates."""
    contributions: Float64
    """What each unit adds to the winning logit, above the mean of all logits: (H,).

    Its hidden states times the logit's gradient by them. For last, max and mean pooling
    these, the bias and the n-grams sum to the logit; attention is taken to first order.
    """

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
    without its run, ExportError for one in int8 and when the service's answer differs by more
    than 1e-5.
    """
    network = read_network(model.bundle).double()  # rounding is left to the side that serves
    limits = TextLimits(MAX_CHARS, min(MAX_TOKENS, model.manifest.max_tokens))
    ids = encode_text(model.tokenizer, text, limits, truncate).ids
    logits, directions = run_by_hand(network, ids)
    probabilities = model.probabilities(logits.astype(np.float32))[0]
    difference = float(abs(probabilities - model.probabilities(model.logits([ids]))[0]).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{model.bundle.path}: by hand a probability differs from the service's by "
            f"{difference:.1e}, more than {TOLERANCE:.0e}"
        )
    return GateReading(
        cell=network.config.cell,
        pieces=model.tokenizer.pieces(ids),
        answer=scored(probabilities.tolist(), model.manifest.labels),
        difference=difference,
        directions=directions,
    )


def run_by_hand(network: Classifier, ids: Sequence[int]) -> tuple[Float64, list[Direction]]:
    """Logits (1, C) of a text, and what the top layer's directions did for the largest."""
    rnn = network.encoder.rnn
    with torch.no_grad():
        embedded = network.embedding(torch.tensor(ids))[:, None]  # (T, 1, E)
        net = from_torch(rnn)
        read = read_backward(net, embedded) if network.config.backward else net(embedded)
    states = read.outputs.requires_grad_()  # (T, 1, D * H)
    logits = network.head(network.pool(states.transpose(0, 1)))  # (1, C)
    if network.ngrams is not None:
        logits = logits + network.ngrams(torch.tensor(ids)[None])
    (gradient,) = torch.autograd.grad(logits.max() - logits.mean(), states)
    ways = network.config.directions
    traces, parts = read.traces[-len(ways) :], gradient.chunk(len(ways), dim=-1)
    directions = [
        _direction(way, traces[at], parts[at][:, 0], params_of(rnn, rnn.num_layers - 1, bool(at)))
        for at, way in enumerate(ways)
    ]
    return logits.detach().numpy(), directions


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


def _direction(way: DirectionName, trace: Trace, gradient: Tensor, p: Params) -> Direction:
    """`gradient` (T, H) is that of the winning logit, above the mean of all, by h."""
    trace = {name: steps[:, 0] for name, steps in trace.items()}  # (T, H)
    if "W_p" in p:  # h is mixed of the units; what they show before that belongs to each
        trace["hidden"] = trace["output"] * trace["cell"].tanh()
        gradient = gradient @ p["W_p"].detach().T
    contributions = (trace["hidden"] * gradient).sum(dim=0)
    values = {name: steps.numpy() for name, steps in trace.items()}
    return Direction(way, values, _flow(values, way == "backward"), contributions.numpy())


def _flow(trace: dict[str, Float64], back: bool) -> Flow | None:
    if "forget" in trace:
        kept, written = trace["forget"], trace["input"] * trace["candidate"]
    elif "update" in trace:
        kept, written = trace["update"], (1 - trace["update"]) * trace["candidate"]
    else:
        return None
    in_turn = kept if back else kept[::-1]  # the last word read comes first
    later = np.cumprod(np.concatenate([np.ones_like(kept[:1]), in_turn[:-1]]), axis=0)
    return Flow(kept, written, written * (later if back else later[::-1]))
