"""The recurrent layers in ONNX, and back.

LSTM and GRU are ONNX's own operators. Two are loops (Scan) over a cell of our own: the
projected LSTM, for which ONNX has no operator, and the RNN, whose operator gives a text
alone other bits than the same text in a batch (onnxruntime multiplies a single row by
another kernel there, but not where the weights are a constant of the graph).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from onnx import GraphProto, TensorProto
from torch import Tensor, nn

from training.config import ModelConfig
from training.graph import Graph

# Torch's gate order -> ONNX's: LSTM i,f,g,o -> i,o,f,c; GRU r,z,n -> z,r,h.
_GATE_ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
_OPERATOR = {"lstm": "LSTM", "gru": "GRU"}
_DIRECTION = {
    ("forward",): "forward",
    ("backward",): "reverse",
    ("forward", "backward"): "bidirectional",
}


def add_encoder(
    graph: Graph, config: ModelConfig, rnn: nn.RNNBase, embedded: str, lengths: str, mask: str
) -> tuple[str, str]:
    """The layers over embedded tokens (T, B, E), read within lengths (B,) and mask (T, B, 1).

    Gives states (T, B, D * H), zero past each length, and last states (B, D * H).
    """
    states, last = embedded, ""
    for layer in range(config.layers):
        if _loops(config):
            states, last = _add_loops(graph, config, rnn, layer, states, lengths, mask)
        else:
            states, last = _add_operator(graph, config, rnn, layer, states, lengths)
    return states, last


def read_encoder(weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """The torch weights of the layers that `add_encoder` wrote, by their names in torch."""
    read = _read_loops if _loops(config) else _read_operator
    state: dict[str, Tensor] = {}
    for layer in range(config.layers):
        state |= read(weights, config, layer)
    return state


def _loops(config: ModelConfig) -> bool:
    return config.cell == "rnn" or config.proj_size > 0


def _suffixes(config: ModelConfig) -> tuple[str, ...]:
    """How torch names the weights of each direction."""
    return ("", "_reverse") if config.bidirectional else ("",)


# ONNX's operators: W (D, G * H, E), R (D, G * H, H) and B (D, 2 * G * H), all directions at once.


def _add_operator(
    graph: Graph, config: ModelConfig, rnn: nn.RNNBase, layer: int, states: str, lengths: str
) -> tuple[str, str]:
    def stacked(kind: str) -> Tensor:
        blocks = [getattr(rnn, f"{kind}_l{layer}{suffix}") for suffix in _suffixes(config)]
        return torch.stack([_to_onnx_order(block, config.cell) for block in blocks])

    weights = [
        graph.weight(f"W{layer}", stacked("weight_ih")),
        graph.weight(f"R{layer}", stacked("weight_hh")),
        graph.weight(f"B{layer}", torch.cat([stacked("bias_ih"), stacked("bias_hh")], dim=1)),
    ]
    attributes: dict[str, Any] = {
        "hidden_size": config.hidden_size,
        "direction": _DIRECTION[config.directions],
    }
    if config.cell == "gru":
        attributes["linear_before_reset"] = 1  # torch's GRU resets after the product
    states, last = graph.add_several(
        _OPERATOR[config.cell], [states, *weights, lengths], 2, **attributes
    )
    states = graph.add("Transpose", [states], perm=[0, 2, 1, 3])  # (T, B, D, H)
    last = graph.add("Transpose", [last], perm=[1, 0, 2])  # (B, D, H)
    return (
        graph.add("Reshape", [states, graph.integers("merge_states", 0, 0, -1)]),
        graph.add("Reshape", [last, graph.integers("merge_last", 0, -1)]),
    )


def _read_operator(
    weights: Mapping[str, Tensor], config: ModelConfig, layer: int
) -> dict[str, Tensor]:
    biases = weights[f"B{layer}"].chunk(2, dim=1)
    blocks = {
        "weight_ih": weights[f"W{layer}"],
        "weight_hh": weights[f"R{layer}"],
        "bias_ih": biases[0],
        "bias_hh": biases[1],
    }
    return {
        f"{kind}_l{layer}{suffix}": _to_torch_order(block, config.cell)
        for kind, directions in blocks.items()
        for block, suffix in zip(directions, _suffixes(config), strict=True)
    }


def _to_onnx_order(block: Tensor, cell: str) -> Tensor:
    """Rows of gate blocks (G * H, ...) in ONNX's gate order."""
    order = _GATE_ORDER[cell]
    gates = block.chunk(len(order))
    return torch.cat([gates[gate] for gate in order])


def _to_torch_order(block: Tensor, cell: str) -> Tensor:
    order = _GATE_ORDER[cell]
    gates = block.chunk(len(order))
    return torch.cat([gates[order.index(gate)] for gate in range(len(order))])


# Loops: one a direction, the weights as they are in torch.


def _kinds(config: ModelConfig) -> tuple[str, ...]:
    projection = ("weight_hr",) if config.proj_size else ()
    return ("weight_ih", "weight_hh", "bias_ih", "bias_hh", *projection)


def _add_loops(
    graph: Graph,
    config: ModelConfig,
    rnn: nn.RNNBase,
    layer: int,
    states: str,
    lengths: str,
    mask: str,
) -> tuple[str, str]:
    directions = []
    for suffix, direction in zip(_suffixes(config), config.directions, strict=True):
        name = f"_l{layer}{suffix}"
        for kind in _kinds(config):
            graph.weight(kind + name, getattr(rnn, kind + name))
        backward = direction == "backward"
        directions.append(_add_loop(graph, config, name, states, lengths, mask, backward))
    every_states, every_last = zip(*directions, strict=True)
    return (
        graph.add("Concat", list(every_states), axis=-1),
        graph.add("Concat", list(every_last), axis=-1),
    )


def _read_loops(
    weights: Mapping[str, Tensor], config: ModelConfig, layer: int
) -> dict[str, Tensor]:
    names = [f"{kind}_l{layer}{suffix}" for suffix in _suffixes(config) for kind in _kinds(config)]
    return {name: weights[name] for name in names}


def _add_loop(
    graph: Graph,
    config: ModelConfig,
    name: str,
    states: str,
    lengths: str,
    mask: str,
    backward: bool,
) -> tuple[str, str]:
    """One direction: states (T, B, H), zero past each length, and the last state (B, H).

    The backward one meets the padding first; the mask keeps its state at zero until the
    text begins.
    """
    weight = graph.add("Transpose", [f"weight_ih{name}"], perm=[1, 0])  # (E, G * H)
    read = graph.add("MatMul", [states, weight])
    bias = graph.add("Add", [f"bias_ih{name}", f"bias_hh{name}"])
    gates = graph.add("Add", [read, bias])  # (T, B, G * H): the part that needs no state
    sizes = [config.proj_size, config.hidden_size] if config.proj_size else [config.hidden_size]
    starts = [_add_zeros(graph, lengths, size) for size in sizes]
    way = int(backward)
    *last, states = graph.add_several(
        "Scan",
        [*starts, gates, mask],
        len(sizes) + 1,
        body=_step(graph, config, name, len(sizes)),
        num_scan_inputs=2,
        scan_input_directions=[way, way],
        scan_output_directions=[way],
    )
    return states, last[0]


def _add_zeros(graph: Graph, lengths: str, size: int) -> str:
    """The state before the first token: (B, size)."""
    batch = graph.add("Shape", [lengths])
    shape = graph.add("Concat", [batch, graph.integers(f"size_{size}", size)], axis=0)
    return graph.add("ConstantOfShape", [shape])


def _step(graph: Graph, config: ModelConfig, name: str, carried: int) -> GraphProto:
    """One step of the loop: what is carried, gates (B, G * H), mask (B, 1) -> carried, state."""
    body = Graph(prefix=f"step{name}_")
    before = [f"step{name}_before_{index}" for index in range(carried)]
    gates, within = f"step{name}_gates", f"step{name}_within"
    add_cell = _add_projected_lstm if config.proj_size else _add_rnn
    after = add_cell(body, name, gates, before)
    kept = [body.add("Where", [within, new, old]) for new, old in zip(after, before, strict=True)]
    zero = graph.constant("zero_state", np.array(0, dtype=np.float32))
    state = body.add("Where", [within, after[0], zero])
    inputs = dict.fromkeys([*before, gates], TensorProto.FLOAT) | {within: TensorProto.BOOL}
    return body.as_body(inputs, [*kept, state])


def _add_rnn(body: Graph, name: str, gates: str, before: list[str]) -> list[str]:
    """h = tanh(gates + R h)."""
    return [body.add("Tanh", [body.add("Gemm", [before[0], f"weight_hh{name}", gates], transB=1)])]


def _add_projected_lstm(body: Graph, name: str, gates: str, before: list[str]) -> list[str]:
    """c = f * c + i * tanh(g), h = P (o * tanh(c)) (Sak et al. 2014, without peepholes)."""
    hidden, cell = before
    gates = body.add("Gemm", [hidden, f"weight_hh{name}", gates], transB=1)
    i, f, g, o = body.add_several("Split", [gates], 4, axis=-1, num_outputs=4)
    i, f, o = (body.add("Sigmoid", [gate]) for gate in (i, f, o))
    kept = body.add("Mul", [f, cell])
    cell = body.add("Add", [kept, body.add("Mul", [i, body.add("Tanh", [g])])])
    shown = body.add("Mul", [o, body.add("Tanh", [cell])])
    return [body.add("Gemm", [shown, f"weight_hr{name}"], transB=1), cell]
