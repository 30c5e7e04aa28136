"""The classifier as an ONNX graph, built node by node.

    ids (B, T) -> Transpose -> Gather -> Cast -> recurrent layers -> pooling -> Gemm

Torch's own exporters freeze or break a bidirectional net over texts of several lengths;
here every part takes the lengths as an input, which makes a text's logits independent of
the texts beside it. The graph is time-major inside, as the operators want it (`layout=0`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

from service.bundle import Bundle, OnnxSpec
from service.engine import Engine, pad
from training.config import ModelConfig, parse_run
from training.errors import ExportError
from training.graph import Graph
from training.model import Classifier
from training.ngrams import BOTH, LEFT, PRIME, NGrams
from training.pooling import NEVER
from training.recurrent import add_encoder, read_encoder

OPSET = 20  # LSTM of opset 22 has no CUDA kernel in onnxruntime
PARITY_TOLERANCE = 1e-5


def round_embedding(model: Classifier) -> None:
    """Round the tables to float16, as which they are stored: half the bytes, same accuracy."""
    tables = [model.embedding, *([model.ngrams.table] if model.ngrams else [])]
    with torch.no_grad():
        for table in tables:
            table.weight.copy_(table.weight.half().float())


def build_graph(model: Classifier, spec: OnnxSpec | None = None) -> onnx.ModelProto:
    """The graph ids (B, T), lengths (B,) -> logits (B, C) of a classifier.

    The embedding is stored as float16; call `round_embedding` first for exact parity.
    """
    spec = spec or OnnxSpec(opset=OPSET)
    graph = Graph()
    embedded, mask = _embed(graph, model, spec), _mask(graph, spec)
    states, last = add_encoder(graph, model.config, model.encoder.rnn, embedded, spec.lengths, mask)
    pooled = _pool(graph, model, states, last, mask, spec)
    weight, bias = (
        graph.weight("head.weight", model.head.weight),
        graph.weight("head.bias", model.head.bias),
    )
    logits = graph.add("Gemm", [pooled, weight, bias], transB=1)
    if model.ngrams is not None:
        logits = graph.add("Add", [logits, _add_ngrams(graph, model.ngrams, mask, spec)])
    graph.add("Identity", [logits], output=spec.logits)
    return graph.finish(spec, classes=model.head.out_features)


def largest_difference(model: Classifier, engine: Engine, texts: Sequence[Sequence[int]]) -> float:
    """Largest difference of logits between torch and the exported graph over one padded batch."""
    ids, lengths = pad(texts, pad_id=0)
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(ids).long(), torch.from_numpy(lengths))
    return float(np.abs(expected.numpy() - engine.run(ids, lengths)).max())


def _embed(graph: Graph, model: Classifier, spec: OnnxSpec) -> str:
    """Embedded tokens (T, B, E); the ids are transposed, which is cheaper than their vectors."""
    table = graph.weight("embedding", model.embedding.weight.half())
    ids = graph.add("Transpose", [spec.ids], perm=[1, 0])
    rows = graph.add("Gather", [table, ids], axis=0)
    return graph.add("Cast", [rows], to=TensorProto.FLOAT)


def _pool(
    graph: Graph, model: Classifier, states: str, last: str, mask: str, spec: OnnxSpec
) -> str:
    """Pooled states (B, P * D * H), in the order of the model's poolings."""
    time_axis, feature_axis = graph.integers("time_axis", 0), graph.integers("feature_axis", -1)

    def masked(values: str) -> str:
        never = graph.constant("never", np.array(NEVER, dtype=np.float32))
        return graph.add("Where", [mask, values, never])

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


def _add_ngrams(graph: Graph, ngrams: NGrams, mask: str, spec: OnnxSpec) -> str:
    """Logits (B, C) of the n-grams, as in `NGrams`."""
    table = graph.weight("ngrams.table", ngrams.table.weight.half())
    start, second, last, end = (
        graph.integers(name, value)
        for name, value in (("start", 0), ("second", 1), ("last", -1), ("end", 2**31))
    )
    time_axis = graph.integers("ngrams.time_axis", 0)
    feature_axis = graph.integers("ngrams.feature_axis", -1)
    ids = graph.add("Cast", [graph.add("Transpose", [spec.ids], perm=[1, 0])], to=TensorProto.INT64)
    left = graph.add("Slice", [ids, start, last, time_axis])  # (T - 1, B)
    right = graph.add("Slice", [ids, second, end, time_axis])
    prime = graph.integers("prime", PRIME)
    mixed = graph.add("Mul", [left, graph.integers("left", LEFT)])
    mixed = graph.add("Mod", [graph.add("Add", [mixed, right]), prime])
    mixed = graph.add("Mul", [mixed, graph.integers("both", BOTH)])
    mixed = graph.add(
        "Mod", [graph.add("Mod", [mixed, prime]), graph.integers("buckets", ngrams.buckets)]
    )
    pairs = graph.add("Add", [mixed, graph.integers("vocab_size", ngrams.vocab_size)])

    def total(rows: str, within: str) -> str:
        weights = graph.add("Cast", [graph.add("Gather", [table, rows])], to=TensorProto.FLOAT)
        nothing = graph.constant("nothing", np.array(0, dtype=np.float32))
        counted = graph.add("Where", [within, weights, nothing])  # (T, B, C)
        return graph.add("ReduceSum", [counted, time_axis], keepdims=0)

    both = graph.add(
        "Add",
        [total(ids, mask), total(pairs, graph.add("Slice", [mask, second, end, time_axis]))],
    )
    lengths = graph.add("Cast", [spec.lengths], to=TensorProto.FLOAT)
    root = graph.add("Sqrt", [graph.add("Unsqueeze", [lengths, feature_axis])])
    bias = graph.weight("ngrams.bias", ngrams.bias)
    return graph.add("Add", [graph.add("Div", [both, root]), bias])


def _mask(graph: Graph, spec: OnnxSpec) -> str:
    """True within each text: (T, B, 1)."""
    feature_axis = graph.integers("feature_axis", -1)
    zero = graph.constant("zero", np.array(0, dtype=np.int32))
    one = graph.constant("one", np.array(1, dtype=np.int32))
    shape = graph.add("Shape", [spec.ids], start=1, end=2)
    steps = graph.add("Cast", [graph.add("Squeeze", [shape])], to=TensorProto.INT32)
    times = graph.add("Range", [zero, steps, one])  # (T,)
    within = graph.add(
        "Less", [graph.add("Unsqueeze", [times, feature_axis]), spec.lengths]
    )  # (T, B)
    return graph.add("Unsqueeze", [within, feature_axis])


def read_network(bundle: Bundle) -> Classifier:
    """The network of a bundle, n-grams included, back in torch.

    Raises ConfigError for a bundle without its run, ExportError for one in int8.
    """
    manifest = bundle.manifest
    if manifest.precision != "float32":
        raise ExportError(f"{bundle.path} is in {manifest.precision}, not in float32")
    config = parse_run(manifest.run, source=f"{bundle.path}: the run in its manifest").model
    graph = onnx.load_from_string(bundle.model)
    return read_graph(graph, config, manifest.pad_id, manifest.unk_id)


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
    for name, weight in read_encoder(weights, config).items():
        state[f"encoder.rnn.{name}"] = weight
    if "ngrams.table" in weights:
        table = weights["ngrams.table"].float()
        model.ngrams = NGrams(vocab_size, len(table) - vocab_size, classes)
        state["ngrams.table.weight"], state["ngrams.bias"] = table, weights["ngrams.bias"]
    model.load_state_dict(state)
    return model.eval()
