from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from service.tokenizer import Tokenizer
from tests.training.samples import assert_same_bits, data_set, reviews, write_csv, write_project
from training.checkpoint import BEST_FILE, load
from training.config import parse_run, read_run
from training.distributed import World
from training.fitting import new_model
from training.prepared import Prepared, fingerprint, prepare
from training.run import discard, restore

ALONE = World(rank=0, size=1, device=torch.device("cpu"))


def test_a_tokenizer_is_found_again_and_made_anew_when_the_data_change(tmp_path: Path) -> None:
    run = read_run(write_project(tmp_path, rows=40))
    first = prepare(run, tmp_path, tmp_path / "run", ALONE).tokenizer
    assert prepare(run, tmp_path, tmp_path / "run", ALONE).tokenizer == first
    assert len(list((tmp_path / "run").iterdir())) == 1
    write_csv(tmp_path / "train.csv", reviews(60, seed=5))
    assert prepare(run, tmp_path, tmp_path / "run", ALONE).tokenizer != first
    assert len(list((tmp_path / "run").iterdir())) == 2


def test_the_report_of_the_data_comes_before_the_tokenizer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = read_run(write_project(tmp_path, rows=40))
    prepare(run, tmp_path, tmp_path / "run", ALONE)
    data, tokenizer = capsys.readouterr().out.splitlines()
    assert data.startswith("reviews: 32 train, 8 dev, 40 test")
    assert tokenizer == "tokenizer: training 400 pieces"


def test_a_new_network_follows_the_seed(tmp_path: Path, tokenizer_model: bytes) -> None:
    tokenizer = Tokenizer(tokenizer_model)
    runs = [read_run(write_project(tmp_path), {"seed": str(seed)}) for seed in (0, 0, 1)]
    states = [new_model(run, ("a", "b"), tokenizer).state_dict() for run in runs]
    assert_same_bits(states[0], states[1])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_restoring_gives_the_best_weights(project: Path) -> None:
    trained = restore(read_run(project / "run.toml"), project, project / "run", ALONE)
    assert_same_bits(trained.model.state_dict(), load(project / "run" / BEST_FILE)["model"])
    assert not trained.model.training


def test_discarding_removes_weights_and_keeps_the_rest(tmp_path: Path) -> None:
    for name in ("checkpoint.pt", "best.pt", "dev.csv", "x.tokenizer.model"):
        (tmp_path / name).touch()
    discard(tmp_path)
    discard(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"dev.csv", "x.tokenizer.model"}


# Weights of earlier versions are found again by it: a setting that comes later belongs into OFF.
FIRST_FINGERPRINT = "ef0ca5c669ae025a8b6f155dc83427990428da312e6351746b91862578a819f2"


def fingerprint_of(**tables: Any) -> str:
    run = {"name": "mine", "data": [{"name": "reviews", "train": "a.csv"}], **tables}
    labels = ("negative", "positive")
    prepared = Prepared(labels, [data_set("reviews", labels)], b"a tokenizer", Path())
    return fingerprint(parse_run(run), prepared)


def test_settings_that_came_later_leave_the_fingerprint_alone_while_they_are_off() -> None:
    assert fingerprint_of() == FIRST_FINGERPRINT


@pytest.mark.parametrize(
    "tables",
    [
        {"model": {"weight_drop": 0.2}},
        {"training": {"layer_rate_factor": 2.6}},
        {"training": {"unfreeze_passes": 0.5}},
        {"training": {"start": "runs/other/pretraining"}},
        {"pretraining": {}},
        {"vectors": "words.vec"},
    ],
)
def test_settings_that_are_on_change_the_fingerprint(tables: dict[str, Any]) -> None:
    assert fingerprint_of(**tables) != FIRST_FINGERPRINT
