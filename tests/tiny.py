"""A tiny bundle, real in every part: an untrained BiLSTM behind a real tokenizer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import sentencepiece
from onnx import TensorProto, helper, numpy_helper

from service.bundle import (
    MANIFEST_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    GoldenText,
    Manifest,
    OnnxSpec,
    sha256,
)
from service.engine import OnnxEngine, pad
from service.postprocess import probabilities
from service.tokenizer import Tokenizer

LABELS = ("negative", "neutral", "positive")
GOLDEN_TEXTS = ("What a lovely little film!", "味道很差,再也不来了。")
EMBEDDED = 8
HIDDEN = 6
OPSET = 20

SENTENCES = (
    "What a lovely little film, I would watch it again and again.",
    "The room was spotless and the staff could not have been kinder.",
    "It stopped working after two days and nobody answers my emails.",
    "The parcel arrived on Tuesday. It was neither early nor late.",
    "A slow, dull and needlessly long story with wooden acting.",
    "Great value for money, the battery lasts the whole day!",
    "I am not sure what to think of it; some parts were good, others bad.",
    "Never again: cold soup, rude waiter, and a bill that was wrong.",
    "房间很干净,服务员也特别热情,下次还会再来。",
    "外卖送到的时候已经凉了,味道也很一般。",
    "这本书写得真好,我一口气读完了。",
    "质量太差了,用了两天就坏了,客服也不理人。",
    "快递星期二到的,包装没有破损。",
    "味道很好,分量也足,价格实惠。",
    "电影太长了,看得我都睡着了。",
    "酒店位置不错,就是早餐有点少。",
)


def train_tokenizer() -> bytes:
    """A sentencepiece model of some 400 pieces, bytes included."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name="nmt_nfkc_cf",
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def build_graph(vocab_size: int, classes: int = len(LABELS), seed: int = 0) -> bytes:
    """ids (B, T), lengths (B,) -> Gather -> BiLSTM -> masked max -> Gemm -> logits (B, C)."""
    random = np.random.default_rng(seed)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)

    def constant(name: str, value: Any, dtype: type = np.int64) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(value, dtype=dtype), name)

    weights = [
        weight("embedding", vocab_size, EMBEDDED),
        weight("w", 2, 4 * HIDDEN, EMBEDDED),
        weight("r", 2, 4 * HIDDEN, HIDDEN),
        weight("head", 2 * HIDDEN, classes),
        weight("bias", classes),
        constant("flat", [0, 0, 2 * HIDDEN]),
        constant("first", 0),
        constant("time_axis", [0]),
        constant("zero", 0, np.int32),
        constant("one", 1, np.int32),
        constant("last_axis", [-1]),
        constant("never", -1e4, np.float32),
    ]
    lstm_inputs = ["embedded", "w", "r", "", "lengths"]
    nodes = [
        helper.make_node("Transpose", ["ids"], ["ids_tb"], perm=[1, 0]),
        helper.make_node("Gather", ["embedding", "ids_tb"], ["embedded"]),
        helper.make_node(
            "LSTM", lstm_inputs, ["states"], hidden_size=HIDDEN, direction="bidirectional"
        ),
        helper.make_node("Transpose", ["states"], ["states_tbd"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["states_tbd", "flat"], ["features"]),
        helper.make_node("Shape", ["ids_tb"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["steps_64"]),
        helper.make_node("Cast", ["steps_64"], ["steps"], to=TensorProto.INT32),
        helper.make_node("Range", ["zero", "steps", "one"], ["range"]),
        helper.make_node("Unsqueeze", ["range", "last_axis"], ["range_t1"]),
        helper.make_node("Less", ["range_t1", "lengths"], ["real_tb"]),
        helper.make_node("Unsqueeze", ["real_tb", "last_axis"], ["real"]),
        helper.make_node("Where", ["real", "features", "never"], ["masked"]),
        helper.make_node("ReduceMax", ["masked", "time_axis"], ["pooled"], keepdims=0),
        helper.make_node("Gemm", ["pooled", "head", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT32, ["batch", "time"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        weights,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def score_golden(tokenizer: bytes, model: bytes, labels: tuple[str, ...]) -> list[GoldenText]:
    encoder, engine = Tokenizer(tokenizer), OnnxEngine(model, OnnxSpec(opset=OPSET))
    texts = []
    for text in GOLDEN_TEXTS:
        row = probabilities(engine.run(*pad([encoder.encode(text)], pad_id=0)), 1.5)[0]
        texts.append(GoldenText(text=text, scores=dict(zip(labels, row.tolist(), strict=True))))
    return texts


def make_bundle(path: Path, tokenizer: bytes, *, max_tokens: int = 64, seed: int = 0) -> Path:
    """Write a bundle that the service accepts to the folder `path`, and return it."""
    model = build_graph(Tokenizer(tokenizer).vocab_size, seed=seed)
    manifest = Manifest(
        name="tiny",
        version="1",
        labels=LABELS,
        languages=("en", "zh"),
        max_tokens=max_tokens,
        pad_id=0,
        unk_id=1,
        onnx=OnnxSpec(opset=OPSET),
        calibration={"|".join(LABELS): 1.5},
        files={MODEL_FILE: sha256(model), TOKENIZER_FILE: sha256(tokenizer)},
        run={},
        data={},
        commit=None,
        golden=tuple(score_golden(tokenizer, model, LABELS)),
    )
    path.mkdir(parents=True)
    (path / MODEL_FILE).write_bytes(model)
    (path / TOKENIZER_FILE).write_bytes(tokenizer)
    (path / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    return path
