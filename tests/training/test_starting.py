from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from service.bundle import read_bundle
from tests.training.samples import ROOT, options, write_project
from training.card import model_card
from training.cli import app
from training.config import parse_run, read_run
from training.datasets import load_data
from training.distributed import World
from training.errors import ConfigError, DataError, TrainingError
from training.export import read_network
from training.model import Classifier
from training.prepared import prepare
from training.run import restore, train
from training.simplified_chinese import simplify_chinese
from training.starting import Start, read_start, start_from

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
SHIPPED = ROOT / "models" / "default"
STILL = {"training.learning_rate": "1e-30"}
"""A rate that moves nothing shows where a run started."""


@pytest.fixture
def bundle(project: Path) -> Path:
    return project / "models" / "tiny"


def test_a_run_goes_on_from_the_whole_network_of_a_bundle(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    starts = f"passes = 1\nstart = '{bundle}'"
    run = read_run(write_project(tmp_path, rows=40, training=starts), STILL)
    trained = train(run, tmp_path, tmp_path / "run", ALONE)
    assert f"start: all weights of the bundle {bundle}" in capsys.readouterr().out
    assert trained.tokenizer == read_bundle(bundle).tokenizer
    expected = read_network(read_bundle(bundle)).state_dict()
    for name, weight in trained.model.state_dict().items():
        assert torch.allclose(weight, expected[name], atol=1e-6), name


def test_chinese_is_simplified_for_a_run_from_a_bundle_that_reads_it_as_written(
    tmp_path: Path,
) -> None:
    run_file = write_project(tmp_path, rows=40, training="passes = 1")
    as_written = ["--set", "tokenizer.simplify_chinese=false"]
    app(["train", str(run_file), *options(tmp_path), *as_written], standalone_mode=False)
    first = read_bundle(tmp_path / "models" / "tiny").tokenizer
    start = f"'{tmp_path / 'models' / 'tiny'}'"
    run = read_run(run_file, {"training.start": start})
    prepared = prepare(run, tmp_path, tmp_path / "run", ALONE)
    assert first != prepared.tokenizer == simplify_chinese(first)


def test_what_is_exported_lies_between_the_bundle_and_what_was_learnt(
    bundle: Path, tmp_path: Path
) -> None:
    starts = f"passes = 1\nstart = '{bundle}'"
    run_file = write_project(tmp_path, rows=40, training=starts)
    learnt = train(read_run(run_file), tmp_path, tmp_path / "run", ALONE).model.state_dict()
    first = read_network(read_bundle(bundle)).state_dict()
    run = read_run(run_file, {"training.start_share": "0.25"})
    restored = restore(run, tmp_path, tmp_path / "run", ALONE)
    mixed = restored.model.state_dict()
    again = train(run, tmp_path, tmp_path / "run", ALONE).model.state_dict()
    assert not torch.equal(learnt["head.weight"], first["head.weight"])
    for name, weight in mixed.items():
        assert torch.allclose(weight, 0.75 * learnt[name] + 0.25 * first[name], atol=1e-6), name
        assert torch.equal(weight, again[name]), name
    card = model_card(run, restored, "", {}, "dev")
    origin = f"the bundle {bundle} (tiny 1)"
    assert f"Started from {origin}, and exported 25% of the way back to it." in card


def test_a_share_is_kept_of_a_whole_network_alone(bundle: Path, tmp_path: Path) -> None:
    starts = f"passes = 1\nstart_share = 0.5\nstart = '{bundle}'"
    run_file = write_project(tmp_path, rows=40, training=starts)
    with pytest.raises(ConfigError, match=r"training\.start_share: the head is not that of"):
        train(read_run(run_file, {"model.pooling": '["max"]'}), tmp_path, tmp_path, ALONE)
    with pytest.raises(ConfigError, match=r"training\.start_share needs training\.start"):
        read_run(run_file, {"training.start": ""})


def test_a_folder_that_holds_nothing_to_start_from_is_named_first(tmp_path: Path) -> None:
    top = 'labels = ["negative", "neutral", "positive"]'
    starts = f"start = '{tmp_path / 'nothing'}'"
    run = read_run(write_project(tmp_path, rows=40, top=top, training=starts))
    with pytest.raises(TrainingError, match=r"training\.start: .*nothing holds no bundle"):
        train(run, tmp_path, tmp_path / "run", ALONE)


def start_of(bundle: Path) -> Start:
    table = {"name": "r", "data": [{"name": "d", "train": "d.csv"}]}
    start = read_start(parse_run({**table, "training": {"start": str(bundle)}}))
    assert start
    return start


def test_other_labels_or_poolings_get_a_head_of_their_own(bundle: Path) -> None:
    start = start_of(bundle)
    network = read_network(read_bundle(bundle))
    vocab_size = network.embedding.num_embeddings
    both = ("max", "mean")
    for labels, pooling in ((["bad", "good"], both), (["negative", "positive"], both[:1])):
        model = Classifier(replace(network.config, pooling=pooling), vocab_size, 2, 0, 1)
        drawn = model.head.weight.detach().clone()
        assert start_from(start, model, labels).startswith("embedding and encoder of the bundle")
        assert torch.equal(model.head.weight, drawn)
        assert torch.equal(model.encoder.rnn.weight_hh_l0, network.encoder.rnn.weight_hh_l0)


def test_a_bundle_of_another_shape_is_refused_by_field(bundle: Path) -> None:
    start = start_of(bundle)
    config = replace(read_network(read_bundle(bundle)).config, hidden_size=13)
    with pytest.raises(ConfigError, match=r"model\.hidden_size is 13, and \d+ in the bundle"):
        start_from(start, Classifier(config, 400, 2, 0, 1), ["negative", "positive"])


def test_a_run_without_a_network_of_its_own_takes_that_of_the_bundle(
    bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        f"name = 'r'\n[[data]]\nname = 'd'\ntrain = 'd.csv'\n[training]\nstart = '{bundle}'\n"
    )
    expected = read_network(read_bundle(bundle)).config
    assert read_run(path).model == expected
    assert read_run(path, {"model.hidden_size": "13"}).model.hidden_size == 13
    assert read_run(path, {"training.start": ""}).model != expected


def test_rows_may_lack_labels_that_the_head_of_the_bundle_knows(tmp_path: Path) -> None:
    top = 'labels = ["negative", "neutral", "positive"]'
    run_file = write_project(tmp_path, rows=40, top=top)
    with pytest.raises(DataError, match="no train row has the label 'neutral'"):
        load_data(read_run(run_file), tmp_path)
    labels, _ = load_data(read_run(run_file, {"training.start": f"'{SHIPPED}'"}), tmp_path)
    assert labels == read_bundle(SHIPPED).manifest.labels
