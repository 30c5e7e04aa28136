"""DistilBERT (Sanh et al. 2019) of the standard size as an ONNX graph, with random weights.

Six layers of 768 units in 12 heads, 3,072 within, 30,522 pieces: what a token costs depends
on these and not on what was learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 10
VOCABULARY, POSITIONS, LAYERS, UNITS, HEADS, INNER, CLASSES = 30_522, 512, 6, 768, 12, 3072, 3
EPSILON = 1e-12
NEVER = -1e9
STANDARD_DEVIATION = 0.02


def write_distilbert(path: Path) -> int:
    """Write the graph ids (B, T), mask (B, T) -> logits (B, C); returns its parameters."""
    graph = _Graph()
    states = _embed(graph)
    shut = _shut_out(graph)
    for layer in range(LAYERS):
        states = _attend(graph, states, shut, f"layer{layer}.attention")
        states = _transform(graph, states, f"layer{layer}.inner")
    _classify(graph, states)
    onnx.save(graph.finish(), path)
    return graph.parameters


class _Graph:
    """Nodes and random weights, collected in order."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._random = np.random.default_rng(0)
        self.parameters = 0

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.int64) -> str:
        self._weights[name] = numpy_helper.from_array(np.array(value, dtype=dtype), name)
        return name

    def weight(self, name: str, *shape: int) -> str:
        value = self._random.normal(0, STANDARD_DEVIATION, shape)
        self.parameters += value.size
        return self.constant(name, value, np.float32)

    def linear(self, states: str, name: str, inner: int, outer: int) -> str:
        product = self.add("MatMul", states, self.weight(f"{name}.weight", inner, outer))
        return self.add("Add", product, self.weight(f"{name}.bias", outer))

    def normalize(self, states: str, name: str) -> str:
        scale, bias = self.weight(f"{name}.scale", UNITS), self.weight(f"{name}.shift", UNITS)
        return self.add("LayerNormalization", states, scale, bias, axis=-1, epsilon=EPSILON)

    def finish(self) -> onnx.ModelProto:
        texts = ["batch", "time"]
        graph = helper.make_graph(
            self._nodes,
            "distilbert",
            [helper.make_tensor_value_info(n, TensorProto.INT32, texts) for n in ("ids", "mask")],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
            list(self._weights.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        proto = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(proto, full_check=True)
        return proto


@dataclass(frozen=True)
class _Heads:
    """States (B, T, U) of each head apart: (B, H, T, U / H), or (B, H, U / H, T)."""

    graph: _Graph
    states: str

    def project(self, name: str, order: tuple[int, ...]) -> str:
        projected = self.graph.linear(self.states, name, UNITS, UNITS)
        split = self.graph.constant("split", [0, 0, HEADS, UNITS // HEADS])
        return self.graph.add(
            "Transpose", self.graph.add("Reshape", projected, split), perm=list(order)
        )


def _embed(graph: _Graph) -> str:
    """Pieces and positions (B, T, U)."""
    pieces = graph.add("Gather", graph.weight("pieces", VOCABULARY, UNITS), "ids")
    length = graph.add("Shape", "ids", start=1, end=2)
    first, time_axis = graph.constant("first", [0]), graph.constant("time_axis", [0])
    table = graph.weight("positions", POSITIONS, UNITS)
    positions = graph.add("Slice", table, first, length, time_axis)
    return graph.normalize(graph.add("Add", pieces, positions), "embedded")


def _shut_out(graph: _Graph) -> str:
    """What is added to the scores (B, H, T, T): nothing, or next to minus infinity."""
    axes = graph.constant("head_axes", [1, 2])
    mask = graph.add("Cast", graph.add("Unsqueeze", "mask", axes), to=TensorProto.FLOAT)
    padding = graph.add("Sub", graph.constant("one", 1, np.float32), mask)
    return graph.add("Mul", padding, graph.constant("never", NEVER, np.float32))


def _attend(graph: _Graph, states: str, shut: str, name: str) -> str:
    heads = _Heads(graph, states)
    queries = heads.project(f"{name}.queries", (0, 2, 1, 3))
    keys = heads.project(f"{name}.keys", (0, 2, 3, 1))
    values = heads.project(f"{name}.values", (0, 2, 1, 3))
    scale = graph.constant("scale", (UNITS // HEADS) ** -0.5, np.float32)
    scores = graph.add("Mul", graph.add("MatMul", queries, keys), scale)
    shares = graph.add("Softmax", graph.add("Add", scores, shut), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", shares, values), perm=[0, 2, 1, 3])
    joined = graph.add("Reshape", mixed, graph.constant("join", [0, 0, UNITS]))
    mixed = graph.linear(joined, f"{name}.out", UNITS, UNITS)
    return graph.normalize(graph.add("Add", mixed, states), f"{name}.normal")


def _transform(graph: _Graph, states: str, name: str) -> str:
    inner = graph.add("Gelu", graph.linear(states, f"{name}.up", UNITS, INNER))
    outer = graph.linear(inner, f"{name}.down", INNER, UNITS)
    return graph.normalize(graph.add("Add", outer, states), f"{name}.normal")


def _classify(graph: _Graph, states: str) -> None:
    """The first token's state through two layers: (B, C)."""
    first = graph.add("Gather", states, graph.constant("at_first", 0), axis=1)
    hidden = graph.add("Relu", graph.linear(first, "head.hidden", UNITS, UNITS))
    product = graph.add("MatMul", hidden, graph.weight("head.weight", UNITS, CLASSES))
    graph.add("Add", product, graph.weight("head.bias", CLASSES), output="logits")
