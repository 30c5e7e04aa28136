"""What is promised of each bundle in models, checked on its own files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle import MANIFEST_FILE, METRICS_FILE, MODEL_FILE, TOKENIZER_FILE
from service.model import Model, open_model
from service.tokenizer import Tokenizer
from training.config import parse_run
from training.corpus import encode_corpus
from training.datasets import DataSet
from training.export import PARITY_TOLERANCE, largest_difference, read_network
from training.gates import TOLERANCE, read_gates
from training.rows import Rows

MODELS = Path(__file__).parents[2] / "models"
BUNDLES = sorted(manifest.parent for manifest in MODELS.glob(f"*/{MANIFEST_FILE}"))
LONGEST = 600

FLOORS = {
    ("imdb", "two_way", "accuracy"): 0.905,
    ("sst", "two_way", "accuracy"): 0.875,
    ("chnsenticorp", "two_way", "accuracy"): 0.89,
    ("waimai", "two_way", "accuracy"): 0.90,
    ("online_shopping", "two_way", "accuracy"): 0.93,
    ("tweets_semeval", "all_labels", "macro_recall"): 0.58,
}

TEXTS = (
    "The first half drags, but the last twenty minutes are worth the ticket.",
    "Arrived late, box crushed, and the charger does not fit. Avoid!!!",
    "@airline my bag is in Oslo and I am in Rome 🙃",
    "No complaints.\nWould book again.",
    "菜很新鲜，就是上得太慢了。",
    "ＳＩＭ卡　插不进去，客服让我“自己想办法”……",
    "书的内容一般，包装倒是很好看 😀",
    "\tspaces   and\u00a0more ",
)


@pytest.fixture(scope="module", params=BUNDLES, ids=lambda folder: folder.name)
def bundle(request: pytest.FixtureRequest) -> Path:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def model(bundle: Path) -> Model:
    """Opening it verifies the schema, every hash and the golden texts."""
    return open_model(bundle)


@pytest.fixture(scope="module")
def metrics(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / METRICS_FILE).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


SCRIPTS = (
    (
        "這家店的服務態度很差，等了兩個小時，還難吃！",
        "这家店的服务态度很差，等了两个小时，还难吃！",
    ),
    ("電池比以前耐用，畫質清晰，非常滿意。", "电池比以前耐用，画质清晰，非常满意。"),
)


def random_texts(model: Model, count: int) -> list[list[int]]:
    """Texts of random pieces; lengths spread over 1 to 600 tokens, both ends among them."""
    rng = np.random.default_rng(2024)
    lengths = [1, 2, LONGEST, *rng.integers(1, LONGEST + 1, count - 3).tolist()]
    return [rng.integers(2, model.tokenizer.vocab_size, length).tolist() for length in lengths]


def test_every_file_has_the_hash_that_the_manifest_says(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))["files"]
    assert {MODEL_FILE, TOKENIZER_FILE, METRICS_FILE, "MODEL_CARD.md"} <= set(files)
    for name, digest in files.items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest, name


def test_it_is_at_most_40_mb(bundle: Path) -> None:
    assert sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file()) <= 40_000_000


def test_it_is_english_and_chinese_with_three_labels(bundle: Path, model: Model) -> None:
    assert model.manifest.name == bundle.name
    assert model.manifest.labels == ("negative", "neutral", "positive")
    assert model.manifest.languages == ("en", "zh")
    assert {"negative|neutral|positive", "negative|positive"} <= set(model.manifest.calibration)


def test_its_manifest_holds_the_run_that_made_it(model: Model) -> None:
    run = parse_run(model.manifest.run)
    assert run.name == model.manifest.name
    files = {
        name
        for source in run.data
        for name in (source.train, source.templates, source.dev, source.test)
    }
    unlabelled = {source.file for source in run.unlabelled}
    assert set(model.manifest.data) == (files - {None}) | unlabelled


def test_golden_texts_score_as_written(model: Model) -> None:
    assert len(model.manifest.golden) == 8
    for golden in model.manifest.golden:
        row = model.probabilities(model.logits([model.tokenizer.encode(golden.text)]))[0]
        scores = dict(zip(model.manifest.labels, row.tolist(), strict=True))
        assert scores == pytest.approx(golden.scores, abs=1e-4)
        assert sum(golden.scores.values()) == pytest.approx(1, abs=1e-5)


def test_torch_and_onnx_agree_over_random_lengths(model: Model) -> None:
    network = read_network(model.bundle)
    texts = random_texts(model, 24)
    for start in range(0, len(texts), 6):
        batch = texts[start : start + 6]
        assert largest_difference(network, model.engine, batch) <= PARITY_TOLERANCE


def test_the_cells_by_hand_give_its_golden_scores(model: Model) -> None:
    for golden in model.manifest.golden:
        reading = read_gates(model, golden.text)
        assert reading.difference <= TOLERANCE
        assert reading.answer.scores == pytest.approx(golden.scores, abs=1e-4)


def test_a_text_alone_equals_the_text_in_any_batch_and_order_bit_for_bit(model: Model) -> None:
    texts = random_texts(model, 16) + model.tokenizer.encode_all(TEXTS)
    alone = np.concatenate([model.logits([text]) for text in texts])
    rng = np.random.default_rng(7)
    for size in (2, 5, len(texts)):
        order = rng.permutation(len(texts))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            together = model.logits([texts[row] for row in rows])
            assert together.tobytes() == alone[rows].tobytes()
    order = rng.permutation(len(texts))
    planned = model.logits_of_many([texts[row] for row in order])
    assert planned.tobytes() == alone[order].tobytes()


def test_training_reads_the_tokens_that_serving_reads(bundle: Path, model: Model) -> None:
    source = parse_run(model.manifest.run).data[0]
    labels = model.manifest.labels
    rows = Rows(TEXTS, (labels[0],) * len(TEXTS))
    data_set = DataSet(source, labels, rows, Rows(), Rows(), {}, {})
    trained_on = Tokenizer((bundle / TOKENIZER_FILE).read_bytes())
    corpus = encode_corpus([data_set], "train", labels, trained_on)
    for index, text in enumerate(TEXTS):
        assert corpus.store[index].tolist() == model.tokenizer.encode(text)
        assert model.manifest.unk_id not in model.tokenizer.encode(text)


@pytest.mark.parametrize(("traditional", "simplified"), SCRIPTS)
def test_it_reads_both_scripts_of_chinese_as_one(
    model: Model, traditional: str, simplified: str
) -> None:
    assert model.tokenizer.encode(traditional) == model.tokenizer.encode(simplified)


@pytest.mark.parametrize(("name", "ways", "measure"), FLOORS, ids=map("-".join, FLOORS))
def test_its_figures_are_above_the_floors(
    metrics: dict[str, Any], name: str, ways: str, measure: str
) -> None:
    assert metrics[name]["model"][ways][measure]["value"] >= FLOORS[name, ways, measure]


@pytest.mark.parametrize(("name", "ways", "measure"), FLOORS, ids=map("-".join, FLOORS))
def test_each_figure_lies_within_its_interval(
    metrics: dict[str, Any], name: str, ways: str, measure: str
) -> None:
    figure = metrics[name]["model"][ways][measure]
    assert figure["low"] < figure["value"] < figure["high"]


@pytest.mark.parametrize(("name", "ways", "measure"), FLOORS, ids=map("-".join, FLOORS))
def test_each_figure_stands_beside_a_linear_baseline(
    metrics: dict[str, Any], name: str, ways: str, measure: str
) -> None:
    beside = metrics[name]["tfidf_logistic_regression"][ways]
    assert beside["rows"] == metrics[name]["model"][ways]["rows"]
    assert 0.3 < beside[measure]["value"] < 1


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Absolutely wonderful, I loved every minute of it.", "positive"),
        ("Terrible. It broke on the first day and they refuse to refund me.", "negative"),
        ("非常满意，下次还会再来！", "positive"),
        ("太难吃了，再也不会点这家了。", "negative"),
    ],
)
def test_it_tells_plain_praise_from_plain_complaint(model: Model, text: str, label: str) -> None:
    row = model.logits([model.tokenizer.encode(text)])[0]
    assert model.manifest.labels[int(row.argmax())] == label
