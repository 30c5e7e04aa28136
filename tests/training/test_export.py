from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from service.bundle import OnnxSpec
from service.engine import OnnxEngine, pad
from tests.training.samples import classifier
from training.export import (
    OPSET,
    PARITY_TOLERANCE,
    build_graph,
    largest_difference,
    read_graph,
    round_embedding,
)
from training.model import Classifier
from training.ngrams import NGrams

KINDS = ("last", "mean", "max", "attention")
READINGS = ({}, {"bidirectional": False}, {"bidirectional": False, "backward": True})
ENCODERS = [
    {"cell": cell, "proj_size": proj_size, "layers": layers, **reading}
    for (cell, proj_size), layers, reading in itertools.product(
        (("rnn", 0), ("lstm", 0), ("gru", 0), ("lstm", 3)), (1, 2), READINGS
    )
]
NETWORKS = [
    {**encoder, "pooling": pooling}
    for encoder, pooling in itertools.product(ENCODERS, [*((kind,) for kind in KINDS), KINDS])
]
VOCAB = 50
BUCKETS = 97


def network(**fields: object) -> Classifier:
    """A network as one that was trained: no weight is zero, no gate is like another."""
    model = classifier(vocab_size=VOCAB, classes=3, **fields)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape)
    round_embedding(model)
    return model.eval()


def with_ngrams(model: Classifier) -> Classifier:
    """The network with a linear model beside it, of random weights."""
    model.ngrams = NGrams(VOCAB, BUCKETS, classes=3)
    for weight in model.ngrams.parameters():
        torch.nn.init.normal_(weight)
    round_embedding(model)
    return model


def engine_of(model: Classifier) -> OnnxEngine:
    return OnnxEngine(build_graph(model).SerializeToString(), OnnxSpec(opset=OPSET))


def random_texts(lengths: list[int], seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(2, VOCAB, length).tolist() for length in lengths]


@pytest.mark.parametrize("fields", NETWORKS, ids=lambda f: "-".join(map(str, f.values())))
def test_the_graph_gives_the_logits_of_the_network(fields: dict[str, object]) -> None:
    model = network(**fields)
    engine, rng = engine_of(model), np.random.default_rng(0)
    for batch in range(3):
        texts = random_texts(rng.integers(1, 80, size=6).tolist(), batch)
        assert largest_difference(model, engine, texts) <= PARITY_TOLERANCE


@pytest.mark.parametrize("fields", NETWORKS, ids=lambda f: "-".join(map(str, f.values())))
def test_reading_the_graph_gives_the_weights_back(fields: dict[str, object]) -> None:
    model = network(**fields)
    found = read_graph(build_graph(model), model.config, pad_id=0, unk_id=1).state_dict()
    expected = model.state_dict()
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.equal(found[name], weight), name


@pytest.mark.parametrize("hidden_size", [24, 7])
@pytest.mark.parametrize("fields", ENCODERS, ids=lambda f: "-".join(map(str, f.values())))
def test_a_text_alone_equals_the_text_in_any_batch_bit_for_bit(
    fields: dict[str, object], hidden_size: int
) -> None:
    engine = engine_of(network(pooling=KINDS, hidden_size=hidden_size, embedding_size=16, **fields))
    rng = np.random.default_rng(0)
    texts = random_texts(rng.integers(1, 200, size=40).tolist())
    alone = np.concatenate([engine.run(*pad([text], pad_id=0)) for text in texts])
    for size in (2, 7, 40):
        order = rng.permutation(len(texts))
        for start in range(0, len(texts), size):
            rows = order[start : start + size]
            together = engine.run(*pad([texts[row] for row in rows], pad_id=0))
            assert together.tobytes() == alone[rows].tobytes()


def test_the_graph_of_a_network_with_ngrams_gives_its_logits_bit_for_bit_in_any_batch() -> None:
    model = with_ngrams(network(hidden_size=24))
    engine, rng = engine_of(model), np.random.default_rng(0)
    texts = random_texts([1, 2, 1, 2, 3, *rng.integers(1, 200, size=40)])
    assert largest_difference(model, engine, texts) <= PARITY_TOLERANCE
    alone = np.concatenate([engine.run(*pad([text], pad_id=0)) for text in texts])
    for size in (2, 5, 7, 45):
        for start in range(0, len(texts), size):
            together = engine.run(*pad(texts[start : start + size], pad_id=0))
            assert together.tobytes() == alone[start : start + size].tobytes()
    found = read_graph(build_graph(model), model.config, pad_id=0, unk_id=1)
    ids, lengths = pad(texts, pad_id=0)
    again = found(torch.from_numpy(ids).long(), torch.from_numpy(lengths))
    assert torch.equal(again, model(torch.from_numpy(ids).long(), torch.from_numpy(lengths)))


@pytest.mark.parametrize("fields", ENCODERS, ids=lambda f: "-".join(map(str, f.values())))
def test_what_the_padding_holds_changes_nothing(fields: dict[str, object]) -> None:
    engine = engine_of(network(pooling=KINDS, **fields))
    ids, lengths = pad(random_texts([3, 12, 1]), pad_id=0)
    other = np.where(np.arange(12) < lengths[:, None], ids, 7).astype(np.int32)
    assert engine.run(ids, lengths).tobytes() == engine.run(other, lengths).tobytes()


def test_rounding_moves_the_embedding_by_less_than_half_precision() -> None:
    model = classifier()
    before = model.embedding.weight.detach().clone()
    round_embedding(model)
    after = model.embedding.weight.detach()
    assert not torch.equal(before, after)
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-7)


def test_a_graph_of_another_network_is_told_apart() -> None:
    texts = random_texts([5, 9])
    assert largest_difference(network(), engine_of(network(seed=1)), texts) > 0.01
