from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from math import nan
from pathlib import Path
from statistics import fmean

import pytest
import torch

from service.model import open_model
from service.tokenizer import Tokenizer
from tests.training.samples import options, rows_of_csv, write_project
from training.cli import app
from training.comparison import RESULT_FILE, Comparison, compare
from training.comparison_report import comparison_markdown, write_comparison
from training.config import read_run
from training.datasets import load_data
from training.distance import FILLER_TOKENS, PLACES, measure_reach
from training.distributed import World
from training.errors import DataError, TrainingError
from training.evaluate import evaluate
from training.speed import TEXTS, TOKENS, Speed
from training.summaries import summarise
from training.variants import choose_variants

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
NAMES = ("bilstm-projected", "rnn-last")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with what `compare` made of two variants and two seeds; not to be changed."""
    folder = tmp_path_factory.mktemp("comparison")
    run_file = write_project(folder, top='languages = ["en"]')
    only = [argument for name in NAMES for argument in ("--only", name)]
    where = ["--data", str(folder), "--output", str(folder / "compared")]
    app(["compare", str(run_file), *where, *only, "--seeds", "2"], standalone_mode=False)
    return folder


def compared(folder: Path, world: World = ALONE, **fields: object) -> Comparison:
    """Compare in this process, by a clock on which each measured round takes a second."""
    run = replace(read_run(folder / "run.toml"), **fields)  # type: ignore[arg-type]
    clock = itertools.count().__next__
    variants = choose_variants(NAMES)
    return compare(run, variants, 2, folder, folder / "compared", world, clock)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    return compared(folder)


def test_every_variant_and_seed_has_a_row(folder: Path) -> None:
    rows = rows_of_csv(folder / "compared" / "compare.csv")
    assert [(row["variant"], row["seed"]) for row in rows] == [
        (name, seed) for seed in ("0", "1") for name in NAMES
    ]
    assert len({row["train_tokens"] for row in rows}) == 1
    assert all(float(row["train_tokens_per_s"]) > 0 for row in rows)
    assert all(float(row["onnx_tokens_per_s"]) > 0 for row in rows)
    reach = rows_of_csv(folder / "compared" / "distance.csv")
    assert len(reach) == len(rows) * len(PLACES) * len(FILLER_TOKENS)


def test_the_table_holds_the_means_of_the_rows(folder: Path) -> None:
    rows = rows_of_csv(folder / "compared" / "compare.csv")
    table = (folder / "compared" / "compare.md").read_text(encoding="utf-8")
    for name in NAMES:
        (line,) = (line for line in table.splitlines() if line.startswith(f"| {name} |"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for cell, column in ((cells[1], "dev_accuracy"), (cells[2], "test_accuracy")):
            found = [100 * float(row[column]) for row in rows if row["variant"] == name]
            spread = f" ({min(found):.1f}-{max(found):.1f})" if min(found) < max(found) else ""
            assert cell == f"{fmean(found):.1f}{spread}"
    assert "Data: reviews (120 train, 30 dev, 40 test rows). Seeds: 0, 1." in table
    assert "| TF-IDF regression | - |" in table


def test_plots_are_drawn(folder: Path) -> None:
    for name in ("accuracy.png", "distance.png"):
        content = (folder / "compared" / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 150_000


def test_the_figures_are_those_of_the_bundle_that_train_makes(
    folder: Path, comparison: Comparison, tmp_path: Path
) -> None:
    (result,) = (r for r in comparison.results if (r.variant, r.seed) == ("rnn-last", 0))
    settings = ("model.cell='rnn'", "model.bidirectional=false", "model.pooling=['last']")
    app(
        [
            *("train", str(folder / "run.toml"), "--data", str(folder), *options(tmp_path)[2:]),
            *(argument for setting in settings for argument in ("--set", setting)),
        ],
        standalone_mode=False,
    )
    model = open_model(tmp_path / "models" / "tiny")
    _, data_sets = load_data(read_run(folder / "run.toml"), folder)
    scores = evaluate(model, data_sets)["reviews"].two_way
    assert scores is not None
    assert result.test_accuracy == scores.accuracy.value
    assert list(result.reach) == measure_reach(model)


def test_every_network_reads_the_same_tokens(folder: Path, comparison: Comparison) -> None:
    (path,) = (folder / "compared").glob("*.tokenizer.model")
    tokenizer = Tokenizer(path.read_bytes())
    train = comparison.data_sets[0].train.texts
    lengths = [len(ids) for ids in tokenizer.encode_all(train)]
    read = [length if length <= 32 else length // 8 * 8 for length in lengths]
    assert {result.train_tokens for result in comparison.results} == {2 * sum(read)}
    for result in comparison.results:
        curve = rows_of_csv(
            folder / "compared" / f"{result.variant}-seed-{result.seed}" / "dev.csv"
        )
        assert len(curve) == 4  # two passes of two evaluations: none stopped early


def test_what_is_done_is_not_done_again(
    copy: Path, comparison: Comparison, capsys: pytest.CaptureFixture[str]
) -> None:
    made_anew = copy / "compared" / "rnn-last-seed-1"
    shutil.rmtree(made_anew)
    before = {path: path.stat().st_mtime_ns for path in copy.glob(f"compared/*/{RESULT_FILE}")}
    again = compared(copy)
    assert len(before) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert capsys.readouterr().err.count("pass 1/2:   0%") == 1
    assert again.results == comparison.results
    assert (made_anew / RESULT_FILE).exists()


def test_speed_is_tokens_by_the_clock(folder: Path, comparison: Comparison) -> None:
    (path,) = (folder / "compared").glob("*.tokenizer.model")
    dev = Tokenizer(path.read_bytes()).encode_all(comparison.data_sets[0].dev.texts)
    assert set(comparison.speeds) == set(NAMES)
    for speed in comparison.speeds.values():
        assert speed == Speed(train=TEXTS * TOKENS, onnx=sum(map(len, dev)))


def test_weights_are_not_kept(folder: Path) -> None:
    assert not list(folder.glob("compared/**/*.pt"))


def test_results_of_other_settings_or_of_no_known_form_are_refused(copy: Path) -> None:
    run = read_run(copy / "run.toml")
    with pytest.raises(TrainingError, match=r"result\.json is of a run with other settings"):
        compared(copy, model=replace(run.model, head_dropout=0.0))
    path = copy / "compared" / "bilstm-projected-seed-0" / RESULT_FILE
    path.write_text("{}")
    with pytest.raises(TrainingError, match=r"result\.json: not a result of this version"):
        compared(copy)


def test_data_without_test_rows_are_refused_before_training(copy: Path) -> None:
    source = replace(read_run(copy / "run.toml").data[0], test=None)
    with pytest.raises(DataError, match="no test rows"):
        compared(copy, data=(source,))


def test_several_processes_are_refused(folder: Path) -> None:
    with pytest.raises(TrainingError, match="without torchrun"):
        compared(folder, world=replace(ALONE, size=2))


def test_a_comparison_without_probes_or_baseline_has_fewer_columns(
    comparison: Comparison, tmp_path: Path
) -> None:
    results = [replace(r, reach=()) for r in comparison.results]
    plain = replace(comparison, results=results, baseline=nan)
    write_comparison(plain, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "compare.md",
        "compare.csv",
        "accuracy.png",
    }
    table = comparison_markdown(plain)
    assert "alone" not in table
    assert "TF-IDF" not in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(NAMES)
    assert len({row.count("|") for row in rows}) == 1


def test_reach_is_the_mean_over_seeds(comparison: Comparison) -> None:
    summary = summarise(comparison.results)[0]
    values = [
        reach.accuracy.value
        for result in summary.results
        for reach in result.reach
        if (reach.place, reach.filler_tokens) == ("end", 100)
    ]
    assert len(values) == 2
    assert summary.reach("end", 100) == pytest.approx(fmean(values))
