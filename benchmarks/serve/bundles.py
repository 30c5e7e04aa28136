"""A bundle of a given size with random weights: costs what a trained one of that size does."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.serve.words import CHINESE, ENGLISH
from service.bundle import MODEL_FILE, TOKENIZER_FILE, GoldenText, Manifest, OnnxSpec, sha256
from service.engine import OnnxEngine, pad
from service.postprocess import probabilities
from service.tokenizer import Tokenizer
from training.config import GOLDEN_TEXTS, ModelConfig, TokenizerConfig
from training.export import OPSET, build_graph, round_embedding
from training.model import Classifier
from training.packing import write_bundle
from training.tokenizer import train_tokenizer

LABELS = ("negative", "neutral", "positive")
UNITS = 128
VOCABULARY = 24_000
MAX_TOKENS = 8192
SEED = 0


def make_bundle(target: Path, tokenizer: bytes | None) -> None:
    """Write a BiLSTM of 128 units over 24,000 pieces, behind a tokenizer or one of our words."""
    if tokenizer is None:
        tokenizer = train_tokenizer([*ENGLISH, *CHINESE], TokenizerConfig(vocab_size=600), SEED)
    graph = _build(Tokenizer(tokenizer))
    files = {MODEL_FILE: graph, TOKENIZER_FILE: tokenizer}
    write_bundle(target, _describe(target.name, graph, tokenizer), files)


def _build(tokenizer: Tokenizer) -> bytes:
    torch.manual_seed(SEED)
    config = ModelConfig(embedding_size=UNITS, hidden_size=UNITS)
    pieces = max(VOCABULARY, tokenizer.vocab_size)
    model = Classifier(config, pieces, len(LABELS), tokenizer.pad_id, tokenizer.unk_id)
    round_embedding(model)
    return bytes(build_graph(model).SerializeToString())


def _describe(name: str, graph: bytes, tokenizer: bytes) -> Manifest:
    encoder = Tokenizer(tokenizer)
    return Manifest(
        name=name,
        version="random",
        labels=LABELS,
        languages=("en", "zh"),
        max_tokens=MAX_TOKENS,
        pad_id=encoder.pad_id,
        unk_id=encoder.unk_id,
        onnx=OnnxSpec(opset=OPSET),
        calibration={},
        files={MODEL_FILE: sha256(graph), TOKENIZER_FILE: sha256(tokenizer)},
        run={"model": {"hidden_size": UNITS, "embedding_size": UNITS, "weights": "random"}},
        data={},
        commit=None,
        golden=tuple(_score(graph, encoder)),
    )


def _score(graph: bytes, encoder: Tokenizer) -> list[GoldenText]:
    engine = OnnxEngine(graph, OnnxSpec(opset=OPSET))
    rows = [
        probabilities(engine.run(*pad([encoder.encode(text)], encoder.pad_id)), 1.0)[0]
        for text in GOLDEN_TEXTS
    ]
    return [
        GoldenText(text=text, scores=dict(zip(LABELS, row.tolist(), strict=True)))
        for text, row in zip(GOLDEN_TEXTS, rows, strict=True)
    ]
