from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from service.engine import OnnxEngine
from service.errors import InvalidInput, TooLarge
from service.model import Model, open_model
from tests.training.samples import classifier
from training.errors import ConfigError, ExportError
from training.export import build_graph, round_embedding
from training.gates import TOLERANCE, read_gates, run_by_hand, write_gates
from training.model import Classifier
from training.packing import replace_fields

TEXT = "my phone was broken, 服务太差 but the soup was superb"
KINDS = ("last", "mean", "max", "attention")
NETWORKS = [
    {"cell": "lstm", "bidirectional": True, "pooling": ("max", "mean")},
    {"cell": "lstm", "bidirectional": False, "layers": 2, "pooling": ("last",)},
    {"cell": "gru", "bidirectional": True, "layers": 2, "pooling": KINDS},
    {"cell": "gru", "bidirectional": False, "pooling": ("attention",)},
    {"cell": "gru", "bidirectional": False, "backward": True, "pooling": ("last", "mean")},
    {"cell": "rnn", "bidirectional": True, "pooling": ("mean", "last")},
    {"cell": "lstm", "bidirectional": False, "layers": 2, "proj_size": 3, "pooling": ("max",)},
    {"cell": "lstm", "bidirectional": True, "layers": 2, "proj_size": 3, "pooling": ("max",)},
    {"cell": "lstm", "bidirectional": False, "backward": True, "layers": 2, "pooling": ("last",)},
]
IDS = [7, 2, 2, 11, 29, 5, 3]


def network_of(**fields: object) -> Classifier:
    return classifier(classes=3, **fields).double().eval()


@pytest.fixture(scope="module")
def trained(project: Path) -> Model:
    return open_model(project / "models" / "tiny")


def model_of(like: Model, **fields: object) -> Model:
    """An untrained network with the tokenizer of a bundle."""
    network = classifier(vocab_size=like.tokenizer.vocab_size, **fields)
    round_embedding(network)
    graph = build_graph(network).SerializeToString()
    run = {**like.manifest.run, "model": asdict(network.config)}
    bundle = replace(
        like.bundle, manifest=replace_fields(like.manifest, run=run, calibration={}), model=graph
    )
    return Model(bundle, like.tokenizer, OnnxEngine(graph, bundle.manifest.onnx))


@pytest.mark.parametrize("fields", NETWORKS, ids=str)
def test_the_answer_is_that_of_the_service(trained: Model, fields: dict[str, object]) -> None:
    model = model_of(trained, **fields)
    reading = read_gates(model, TEXT)
    served = model.probabilities(model.logits([model.tokenizer.encode(TEXT)]))[0]
    found = [reading.answer.scores[label] for label in model.manifest.labels]
    assert reading.difference == pytest.approx(abs(served - found).max())
    assert reading.difference <= TOLERANCE


def test_a_trained_bundle_answers_by_hand_as_served(trained: Model) -> None:
    reading = read_gates(trained, TEXT)
    assert reading.pieces == trained.tokenizer.pieces(trained.tokenizer.encode(TEXT))
    assert [direction.name for direction in reading.directions] == ["forward", "backward"]
    assert set(reading.directions[0].trace) == {
        *("input", "forget", "candidate", "output", "cell", "hidden"),
    }


@pytest.mark.parametrize("fields", NETWORKS, ids=str)
def test_a_run_by_hand_gives_the_logits_of_the_network(fields: dict[str, object]) -> None:
    network = network_of(**fields)
    logits, directions = run_by_hand(network, IDS)
    np.testing.assert_allclose(logits, network(torch.tensor([IDS])).detach(), atol=1e-6)
    expected = (
        ["forward", "backward"] if fields["bidirectional"]
        else ["backward" if fields.get("backward") else "forward"]
    )  # fmt: skip
    assert [direction.name for direction in directions] == expected
    for direction in directions:
        assert {values.shape for values in direction.trace.values()} == {(len(IDS), 8)}


@pytest.mark.parametrize("fields", [{**f, "pooling": KINDS[:3]} for f in NETWORKS], ids=str)
def test_contributions_and_the_bias_make_the_logit(fields: dict[str, object]) -> None:
    network = network_of(**fields)
    logits, directions = run_by_hand(network, IDS)
    bias, winner = network.head.bias.detach().numpy(), int(logits.argmax())
    expected = (logits[0] - bias)[winner] - (logits[0] - bias).mean()
    found = sum(direction.contributions.sum() for direction in directions)
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("fields", [each for each in NETWORKS if each["cell"] != "rnn"], ids=str)
def test_a_memory_is_what_is_kept_and_written_and_in_the_end_what_is_left(
    fields: dict[str, object],
) -> None:
    for direction in run_by_hand(network_of(**fields), IDS)[1]:
        memory = direction.trace["cell" if fields["cell"] == "lstm" else "hidden"]
        flow = direction.flow
        assert flow is not None
        kept, written = flow.kept, flow.written
        if direction.name == "backward":
            memory, kept, written = memory[::-1], kept[::-1], written[::-1]
        before = np.concatenate([np.zeros_like(memory[:1]), memory[:-1]])
        np.testing.assert_allclose(memory, kept * before + written, atol=1e-12)
        np.testing.assert_allclose(flow.left.sum(axis=0), memory[-1], atol=1e-12)


def test_a_simple_net_has_no_gates(trained: Model) -> None:
    reading = read_gates(model_of(trained, cell="rnn"), TEXT)
    assert [direction.flow for direction in reading.directions] == [None, None]
    assert set(reading.directions[0].trace) == {"hidden"}


def test_the_strongest_units_come_first(trained: Model) -> None:
    direction = read_gates(trained, TEXT).directions[0]
    assert (
        direction.contributions[direction.strongest(3)].tolist()
        == sorted(direction.contributions, reverse=True)[:3]
    )
    assert len(direction.strongest(99)) == 8


def test_the_table_holds_every_value(trained: Model, tmp_path: Path) -> None:
    reading = read_gates(trained, TEXT)
    write_gates(reading, tmp_path / "gates.csv")
    with (tmp_path / "gates.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(reading.pieces) * 8
    assert {row["piece"] for row in rows} == set(reading.pieces)
    for row in rows[::7]:
        direction = reading.directions[row["direction"] == "backward"]
        forget = direction.trace["forget"][int(row["step"]), int(row["unit"])]
        assert float(row["forget"]) == pytest.approx(forget, rel=1e-5)


def test_a_graph_that_is_not_the_bundles_is_told(trained: Model) -> None:
    one, other = model_of(trained, cell="lstm"), model_of(trained, cell="lstm", seed=1)
    with pytest.raises(ExportError, match=r"by hand a probability differs .* more than 1e-05"):
        read_gates(Model(one.bundle, one.tokenizer, other.engine), TEXT)


def test_a_text_that_is_too_long_is_refused_or_cut(trained: Model) -> None:
    with pytest.raises(TooLarge, match="the limit is 100"):
        read_gates(trained, "soup " * 101)
    assert len(read_gates(trained, "soup " * 101, truncate=True).pieces) == 100


def test_a_blank_text_is_refused(trained: Model) -> None:
    with pytest.raises(InvalidInput, match="blank"):
        read_gates(trained, " ")


def test_a_bundle_without_its_run_is_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match=r"default: the run in its manifest: name: "):
        read_gates(model, TEXT)
