from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from service.bundle import (
    CARD_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    GoldenText,
    read_bundle,
    sha256,
)
from service.errors import BundleError
from service.model import open_model
from service.tokenizer import Tokenizer
from training.config import RunConfig, parse_run, read_run
from training.distributed import World
from training.errors import ExportError, TrainingError
from training.fitting import Trained
from training.packing import check_can_pack, pack, replace_fields, write_bundle
from training.run import restore

FILES = {MODEL_FILE, TOKENIZER_FILE, METRICS_FILE, CARD_FILE, MANIFEST_FILE}
ALONE = World(rank=0, size=1, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def run(project: Path) -> RunConfig:
    return read_run(project / "run.toml")


@pytest.fixture
def trained(project: Path, run: RunConfig) -> Trained:
    return restore(run, project, project / "run", ALONE)


@pytest.fixture
def target(project: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of a good bundle, alone in its folder; nothing may be left beside it."""
    yield shutil.copytree(project / "models" / "tiny", tmp_path / "models" / "tiny")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_holds_its_files_and_their_hashes(project: Path) -> None:
    found = contents(project / "models" / "tiny")
    assert set(found) == FILES
    manifest = read_bundle(project / "models" / "tiny").manifest
    assert manifest.files == {
        name: sha256(content) for name, content in found.items() if name != MANIFEST_FILE
    }


def test_the_manifest_says_what_it_was_made_of(project: Path, run: RunConfig) -> None:
    manifest = read_bundle(project / "models" / "tiny").manifest
    assert parse_run(manifest.run) == run
    assert manifest.data == {
        name: sha256((project / name).read_bytes()) for name in ("train.csv", "test.csv")
    }
    assert tuple(golden.text for golden in manifest.golden) == run.golden
    assert list(manifest.calibration) == ["negative|positive"]


def test_the_metrics_are_those_of_the_bundle_beside_the_baseline(project: Path) -> None:
    bundle = project / "models" / "tiny"
    metrics = json.loads((bundle / METRICS_FILE).read_text())
    model = open_model(bundle)
    right = 0
    lines = (project / "test.csv").read_text(encoding="utf-8").splitlines()[1:]
    for text, label in (line.rsplit(",", 1) for line in lines):
        row = model.logits([model.tokenizer.encode(text)])[0]
        right += model.manifest.labels[int(row.argmax())] == label
    figures = metrics["reviews"]["model"]["two_way"]
    assert metrics["reviews"]["split"] == "test"
    assert figures["rows"] == len(lines)
    assert figures["accuracy"]["value"] == pytest.approx(right / len(lines))
    assert metrics["reviews"]["tfidf_logistic_regression"]["two_way"]["accuracy"]["value"] > 0.5


def test_the_card_shows_the_figures_and_the_data(project: Path) -> None:
    card = (project / "models" / "tiny" / CARD_FILE).read_text(encoding="utf-8")
    assert card.startswith("# tiny 1\n\nReviews made up for a test.")
    assert "| reviews | two-way accuracy | 40 |" in card
    assert "| test set | labels | rows | calibration error | by chance |" in card
    assert "| reviews | 2 | 40 |" in card
    assert "| reviews | - | negative/positive | 120 | 30 | 40 |" in card


def test_packing_twice_gives_the_same_bytes(
    run: RunConfig, trained: Trained, tmp_path: Path, project: Path
) -> None:
    packed = pack(run, trained, tmp_path / "again")
    assert contents(packed.path) == contents(project / "models" / "tiny")


def test_a_bundle_in_the_way_is_not_touched(run: RunConfig, trained: Trained, target: Path) -> None:
    before = contents(target)
    with pytest.raises(TrainingError, match="exists; pass --replace"):
        pack(run, trained, target)
    assert contents(target) == before


def test_a_bundle_in_the_way_is_replaced_when_asked_for(
    run: RunConfig, trained: Trained, target: Path
) -> None:
    (target / MODEL_FILE).write_bytes(b"old and broken")
    pack(replace(run, version="2"), trained, target, replace_existing=True)
    assert open_model(target).manifest.version == "2"


def test_a_bundle_that_the_service_would_refuse_never_appears(target: Path) -> None:
    before = contents(target)
    manifest = read_bundle(target).manifest
    wrong = GoldenText(text="great", scores={"negative": 0.5, "positive": 0.5})
    files = {name: before[name] for name in FILES - {MANIFEST_FILE}}
    with pytest.raises(BundleError, match="golden text 'great'"):
        write_bundle(target, replace_fields(manifest, golden=(wrong,)), files)
    assert contents(target) == before
    with pytest.raises(BundleError, match=MODEL_FILE):
        write_bundle(target.parent / "new", manifest, {**files, MODEL_FILE: b"no graph"})


def test_a_graph_that_disagrees_with_the_network_is_not_packed(
    run: RunConfig, trained: Trained, tmp_path: Path
) -> None:
    with torch.no_grad():
        trained.model.head.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match="differs from the network by nan"):
        pack(run, trained, tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_packed_is_known_before_training(target: Path) -> None:
    with pytest.raises(TrainingError, match="exists"):
        check_can_pack(target, replace_existing=False)
    check_can_pack(target, replace_existing=True)
    check_can_pack(target.parent / "new", replace_existing=False)


def test_serving_reads_the_tokens_that_training_read(project: Path, trained: Trained) -> None:
    served = open_model(project / "models" / "tiny").tokenizer
    texts = trained.data_sets[0].train.texts
    assert served.encode_all(texts) == Tokenizer(trained.tokenizer).encode_all(texts)
