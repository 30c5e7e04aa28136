from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from service.bundle import CARD_FILE, METRICS_FILE
from service.errors import BundleError
from service.model import Model, open_model
from training.datasets import DataSet
from training.errors import DataError, TrainingError
from training.quantization import quantize
from training.test_sets import open_test_sets


@pytest.fixture
def source(project: Path, tmp_path: Path) -> Path:
    return shutil.copytree(project / "models" / "tiny", tmp_path / "tiny")


@pytest.fixture
def original(source: Path) -> Model:
    return open_model(source)


@pytest.fixture
def data_sets(project: Path, original: Model) -> list[DataSet]:
    return open_test_sets(original, project / "run.toml", folder=project)


def test_the_same_network_in_int8_is_a_bundle_that_says_so(
    source: Path, original: Model, data_sets: list[DataSet]
) -> None:
    target = source.with_name("tiny-int8")
    packed = quantize(source, data_sets, target)
    model = open_model(packed.path)
    assert (original.manifest.precision, model.manifest.precision) == ("float32", "int8")
    assert model.manifest.name == original.manifest.name
    assert model.manifest.version == f"{original.manifest.version}-int8"
    assert model.manifest.calibration == original.manifest.calibration
    operators = {node.op_type for node in onnx.load_from_string(model.bundle.model).graph.node}
    assert "DynamicQuantizeLSTM" in operators
    assert "LSTM" not in operators
    assert "depends a little on the texts" in (target / CARD_FILE).read_text()
    with pytest.raises(TrainingError, match="in int8 already"):
        quantize(target, data_sets, source.with_name("again"))


def test_answers_differ_from_the_originals_but_not_by_much(
    source: Path, original: Model, data_sets: list[DataSet]
) -> None:
    model = open_model(quantize(source, data_sets, source.with_name("tiny-int8")).path)
    texts = [model.tokenizer.encode(text) for text in data_sets[0].dev.texts]
    fast, exact = (m.probabilities(m.logits_of_many(texts)) for m in (model, original))
    assert 0 < np.abs(fast - exact).max() < 0.05


def test_both_are_scored_on_dev(source: Path, data_sets: list[DataSet]) -> None:
    packed = quantize(source, data_sets, source.with_name("tiny-int8"))
    assert packed.figures in (packed.path / CARD_FILE).read_text()
    metrics = json.loads((packed.path / METRICS_FILE).read_text())
    for found in metrics.values():
        assert found["split"] == "dev"
        assert found["model"]["two_way"]["rows"] == found["float32"]["two_way"]["rows"] > 0


def test_a_bundle_in_the_way_and_missing_dev_rows_are_refused(
    source: Path, data_sets: list[DataSet]
) -> None:
    with pytest.raises(TrainingError, match="exists"):
        quantize(source, data_sets, source)
    with pytest.raises(DataError, match="dev rows"):
        quantize(source, [], source.with_name("tiny-int8"))
    with pytest.raises(BundleError, match="no such bundle"):
        quantize(source / "none", data_sets, source.with_name("tiny-int8"))
