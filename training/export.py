"""The classifier as an ONNX graph, built node by node.

    ids (B, T) -> Transpose -> Gather -> Cast -> {LSTM, GRU or RNN} x layers -> pooling -> Gemm

Torch's own exporters freeze or break a bidirectional net over texts of several lengths;
ONNX's recurrent operators take the lengths as an input (`sequence_lens`), which makes a
text's logits independent of the texts beside it. The graph is time-major inside, as the
operators want it (`layout=0`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from service.bundle import OnnxSpec
from service.engine import Engine, pad
from training.config import ModelConfig
from training.errors import ExportError
from training.model import Classifier
from training.pooling import NEVER

OPSET = 20  # LSTM of opset 22 has no CUDA kernel in onnxruntime
IR_VERSION = 10
PARITY_TOLERANCE = 1e-5

# Torch's gate order -> ONNX's: LSTM i,f,g,o -> i,o,f,c; GRU r,z,n -> z,r,h.
_GATE_ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
_OPERATOR = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}

Array = npt.NDArray[np.generic]


def round_embedding(model: Classifier) -> None:
    """Round the embedding to float16, as which it is stored: half the bytes, same accuracy."""
    with torch.no_grad():
        model.embedding.weight.copy_(model.embedding.weight.half().float())


def check_exportable(config: ModelConfig) -> None:
    """Raises ExportError for an encoder that ONNX has no operator for."""
    if config.proj_size:
        raise ExportError(
            "model.proj_size: ONNX has no projected LSTM, so it cannot be exported; leave it at 0"
        )


def build_graph(model: Classifier, spec: OnnxSpec | None = None) -> onnx.ModelProto:
    """The graph ids (B, T), lengths (B,) -> logits (B, C) of a classifier.

    The embedding is stored as float16; call `round_embedding` first for exact parity.
    Raises ExportError for an encoder that ONNX has no operator for.
    """
    check_exportable(model.config)
    spec = spec or OnnxSpec(opset=OPSET)
    graph = _Graph()
    embedded = _embed(graph, model, spec)
    states, last = _encode(graph, model, embedded, spec)
    pooled = _pool(graph, model, states, last, spec)
    weight, bias = (
        graph.weight("head.weight", model.head.weight),
        graph.weight("head.bias", model.head.bias),
    )
    graph.add("Gemm", [pooled, weight, bias], output=spec.logits, transB=1)
    return graph.finish(spec, classes=model.head.out_features)


def largest_difference(model: Classifier, engine: Engine, texts: Sequence[Sequence[int]]) -> float:
    """Largest difference of logits between torch and the exported graph over one padded batch."""
    ids, lengths = pad(texts, pad_id=0)
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(ids).long(), torch.from_numpy(lengths))
    return float(np.abs(expected.numpy() - engine.run(ids, lengths)).max())


class _Graph:
    """Nodes and weights, collected in order; each node names its output after itself."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def add(
        self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Append a node and return the name of its first output."""
        output = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def add_recurrent(self, operator: str, inputs: list[str], **attributes: Any) -> tuple[str, str]:
        """Append a recurrent node; its states Y (T, D, B, H) and last states Y_h (D, B, H)."""
        states = f"{operator.lower()}_{len(self._nodes)}"
        outputs = [states, f"{states}_last"]
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0], outputs[1]

    def constant(self, name: str, value: Array) -> str:
        self._weights[name] = numpy_helper.from_array(value, name)
        return name

    def weight(self, name: str, value: Tensor) -> str:
        return self.constant(name, value.detach().cpu().numpy())

    def finish(self, spec: OnnxSpec, classes: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "sentiment",
            [
                helper.make_tensor_value_info(spec.ids, TensorProto.INT32, ["batch", "time"]),
                helper.make_tensor_value_info(spec.lengths, TensorProto.INT32, ["batch"]),
            ],
            [helper.make_tensor_value_info(spec.logits, TensorProto.FLOAT, ["batch", classes])],
            list(self._weights.values()),
        )
        proto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", spec.opset)],
            ir_version=IR_VERSION,
            producer_name="sentiment-service",
        )
        onnx.checker.check_model(proto, full_check=True)
        return proto


def _embed(graph: _Graph, model: Classifier, spec: OnnxSpec) -> str:
    """Embedded tokens (T, B, E); the ids are transposed, which is cheaper than their vectors."""
    table = graph.weight("embedding", model.embedding.weight.half())
    ids = graph.add("Transpose", [spec.ids], perm=[1, 0])
    rows = graph.add("Gather", [table, ids], axis=0)
    return graph.add("Cast", [rows], to=TensorProto.FLOAT)


def _encode(graph: _Graph, model: Classifier, embedded: str, spec: OnnxSpec) -> tuple[str, str]:
    """States (T, B, D * H), zero past each length, and last states (B, D * H)."""
    config, rnn = model.config, model.encoder.rnn
    merge_states = graph.constant("merge_states", np.array([0, 0, -1], dtype=np.int64))
    merge_last = graph.constant("merge_last", np.array([0, -1], dtype=np.int64))
    attributes: dict[str, Any] = {
        "hidden_size": config.hidden_size,
        "direction": "bidirectional" if config.bidirectional else "forward",
    }
    if config.cell == "gru":
        attributes["linear_before_reset"] = 1  # torch's GRU resets after the product
    states, last = embedded, ""
    for layer in range(config.layers):
        weights = _recurrent_weights(graph, rnn, config.cell, layer)
        states, last = graph.add_recurrent(
            _OPERATOR[config.cell], [states, *weights, spec.lengths], **attributes
        )
        states = graph.add("Transpose", [states], perm=[0, 2, 1, 3])  # (T, B, D, H)
        states = graph.add("Reshape", [states, merge_states])  # (T, B, D * H)
    last = graph.add("Transpose", [last], perm=[1, 0, 2])  # (B, D, H)
    return states, graph.add("Reshape", [last, merge_last])


def _recurrent_weights(graph: _Graph, rnn: nn.RNNBase, cell: str, layer: int) -> list[str]:
    """W (D, G * H, E), R (D, G * H, H) and B (D, 2 * G * H) of one layer in ONNX's gate order."""
    suffixes = _suffixes(rnn.bidirectional)

    def stacked(kind: str) -> npt.NDArray[np.float32]:
        blocks = [
            getattr(rnn, f"{kind}_l{layer}{suffix}").detach().cpu().numpy() for suffix in suffixes
        ]
        return np.stack([_reorder(block, cell) for block in blocks])

    biases = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
    return [
        graph.constant(f"W{layer}", stacked("weight_ih")),
        graph.constant(f"R{layer}", stacked("weight_hh")),
        graph.constant(f"B{layer}", biases),
    ]


def _reorder(block: npt.NDArray[np.float32], cell: str) -> npt.NDArray[np.float32]:
    """Rows of gate blocks (G * H, ...) in ONNX's gate order."""
    order = _GATE_ORDER[cell]
    gates = np.split(block, len(order))
    return np.concatenate([gates[gate] for gate in order])


def _pool(graph: _Graph, model: Classifier, states: str, last: str, spec: OnnxSpec) -> str:
    """Pooled states (B, P * D * H), in the order of the model's poolings."""
    time_axis = graph.constant("time_axis", np.array([0], dtype=np.int64))
    feature_axis = graph.constant("feature_axis", np.array([-1], dtype=np.int64))

    def masked(values: str) -> str:
        never = graph.constant("never", np.array(NEVER, dtype=np.float32))
        return graph.add("Where", [_mask(graph, spec, feature_axis), values, never])

    def pooled(kind: str) -> str:
        match kind:
            case "last":
                return last
            case "max":
                return graph.add("ReduceMax", [masked(states), time_axis], keepdims=0)
            case "mean":
                total = graph.add("ReduceSum", [states, time_axis], keepdims=0)
                lengths = graph.add("Cast", [spec.lengths], to=TensorProto.FLOAT)
                return graph.add("Div", [total, graph.add("Unsqueeze", [lengths, feature_axis])])
            case "attention":
                scores = graph.add(
                    "Add", [graph.add("MatMul", [states, attention]), attention_bias]
                )
                shares = graph.add("Softmax", [masked(scores)], axis=0)  # (T, B, 1)
                weighted = graph.add("Mul", [shares, states])
                return graph.add("ReduceSum", [weighted, time_axis], keepdims=0)
        raise ExportError(f"no ONNX form of the pooling {kind!r}")

    if (scorer := model.pool.attention) is not None:
        attention = graph.weight("attention.weight", scorer.weight.T.contiguous())
        attention_bias = graph.weight("attention.bias", scorer.bias)
    return graph.add("Concat", [pooled(kind) for kind in model.pool.kinds], axis=-1)


def _mask(graph: _Graph, spec: OnnxSpec, feature_axis: str) -> str:
    """True within each text: (T, B, 1)."""
    zero = graph.constant("zero", np.array(0, dtype=np.int32))
    one = graph.constant("one", np.array(1, dtype=np.int32))
    shape = graph.add("Shape", [spec.ids], start=1, end=2)
    steps = graph.add("Cast", [graph.add("Squeeze", [shape])], to=TensorProto.INT32)
    times = graph.add("Range", [zero, steps, one])  # (T,)
    within = graph.add(
        "Less", [graph.add("Unsqueeze", [times, feature_axis]), spec.lengths]
    )  # (T, B)
    return graph.add("Unsqueeze", [within, feature_axis])


def read_graph(graph: onnx.ModelProto, config: ModelConfig, pad_id: int, unk_id: int) -> Classifier:
    """The classifier that `build_graph` wrote, the inverse: a shipped bundle back in torch."""
    weights = {
        w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in graph.graph.initializer
    }
    vocab_size, classes = len(weights["embedding"]), len(weights["head.bias"])
    model = Classifier(config, vocab_size, classes, pad_id, unk_id)
    state = {
        "embedding.weight": weights["embedding"].float(),
        "head.weight": weights["head.weight"],
        "head.bias": weights["head.bias"],
    }
    if "attention" in config.pooling:
        state["pool.attention.weight"] = weights["attention.weight"].T
        state["pool.attention.bias"] = weights["attention.bias"]
    for layer in range(config.layers):
        blocks = {
            "weight_ih": weights[f"W{layer}"],
            "weight_hh": weights[f"R{layer}"],
            "bias_ih": weights[f"B{layer}"].chunk(2, dim=1)[0],
            "bias_hh": weights[f"B{layer}"].chunk(2, dim=1)[1],
        }
        for kind, directions in blocks.items():
            for block, suffix in zip(directions, _suffixes(config.bidirectional), strict=True):
                state[f"encoder.rnn.{kind}_l{layer}{suffix}"] = _restore_order(block, config.cell)
    model.load_state_dict(state)
    return model.eval()


def _restore_order(block: Tensor, cell: str) -> Tensor:
    """Rows of gate blocks (G * H, ...) in torch's gate order."""
    order = _GATE_ORDER[cell]
    gates = block.chunk(len(order))
    return torch.cat([gates[order.index(gate)] for gate in range(len(order))])


def _suffixes(bidirectional: bool) -> tuple[str, ...]:
    """How torch names the weights of each direction."""
    return ("", "_reverse") if bidirectional else ("",)
