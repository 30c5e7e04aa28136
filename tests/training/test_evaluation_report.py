from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from service.model import Model
from tests.training.samples import data_set, reviews
from training.datasets import DataSet
from training.evaluate import Served
from training.evaluation_report import side_by_side_markdown, write_report
from training.peers import SideBySide, answer_all, open_peers
from training.rows import Rows

POLAR = ("negative", "positive")
LABELS = ("negative", "neutral", "positive")


@pytest.fixture(scope="module")
def sets() -> list[DataSet]:
    three = data_set("three", LABELS, test=reviews(30, 0, LABELS))
    texts, labels = zip(*reviews(12), strict=True)
    domains = Rows(texts, labels, ("films", "food") * 6)
    return [three, replace(data_set("two", POLAR), test=domains)]


@pytest.fixture(scope="module")
def answered_sets(model: Model, sets: list[DataSet]) -> list[SideBySide]:
    return answer_all([Served(model), *open_peers(["vader"], sets)], sets, "test")


@pytest.fixture(scope="module")
def folder(
    model: Model, answered_sets: list[SideBySide], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("evaluation") / "new"
    write_report(folder, model, answered_sets, "test")
    return folder


def test_the_table_has_a_column_a_peer_and_says_how_fast_each_is(
    answered_sets: list[SideBySide],
) -> None:
    header, _, *rows = side_by_side_markdown(answered_sets, "test").splitlines()
    assert header == "| test set | measure | rows | tiny | vader |"
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| three", "two-way accuracy", "20"],
        ["| three", "texts per CPU second", "20"],
        ["| three", "3-way accuracy", "30"],
        ["| three", "3-way macro recall", "30"],
        ["| three", "texts per CPU second", "30"],
        ["| two", "two-way accuracy", "12"],
        ["| two", "texts per CPU second", "12"],
    ]


def test_a_bundle_alone_has_no_speeds_and_dev_rows_are_called_so(
    model: Model, sets: list[DataSet]
) -> None:
    alone = side_by_side_markdown(answer_all([Served(model)], sets, "test"), "dev")
    assert alone.startswith("No data set has test rows: ")
    assert "| dev set | measure | rows | tiny |" in alone
    assert "second" not in alone


def test_a_peer_that_did_not_answer_has_a_dash(answered_sets: list[SideBySide]) -> None:
    three = answered_sets[0]
    alone = SideBySide("other", POLAR, {"tiny": three.answered["tiny"]})
    assert side_by_side_markdown([three, alone], "test").splitlines()[-2].endswith(" - |")


def test_the_folder_holds_report_figures_plots_and_errors(
    folder: Path, answered_sets: list[SideBySide]
) -> None:
    assert {path.name for path in folder.iterdir()} == {
        *("report.md", "metrics.json", "errors.csv"),
        *("three-two-way.png", "three-3-way.png", "two-two-way.png", "peers.png"),
    }
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert report.startswith("# tiny 1, evaluated\n")
    assert side_by_side_markdown(answered_sets, "test") in report
    assert "(peers.png)" in report
    for found in answered_sets:
        assert f"## {found.title}\n" in report
        assert f"({found.name}-{found.ways}.png)" in report
    assert "| domain | rows | accuracy |" in report
    assert "| films | 6 |" in report


def test_a_bundle_alone_is_not_drawn_beside_others(
    model: Model, sets: list[DataSet], tmp_path: Path
) -> None:
    write_report(tmp_path, model, answer_all([Served(model)], sets, "test"), "test")
    assert not (tmp_path / "peers.png").exists()
    assert "peers.png" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_metrics_hold_every_peer_and_slice(folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["bundle"]["name"], metrics["split"]) == ("tiny", "test")
    two = metrics["results"][-1]
    assert (two["set"], two["labels"]) == ("two", list(POLAR))
    assert two["peers"]["tiny"]["auc"]["low"] <= two["peers"]["tiny"]["auc"]["value"]
    assert two["peers"]["vader"]["calibration_error"] is None
    assert [domain["name"] for domain in two["by_domain"]] == ["films", "food"]
    assert sum(length["rows"] for length in two["by_length"]) == 12


def test_every_error_is_listed(folder: Path, answered_sets: list[SideBySide]) -> None:
    with (folder / "errors.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wrong = sum(int((~found.answered["tiny"].right).sum()) for found in answered_sets)
    assert len(rows) == wrong > 0
    for row in rows:
        assert row["label"] != row["predicted"]
        assert float(row["probability"]) >= float(row["probability_of_label"])
