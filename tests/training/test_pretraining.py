from __future__ import annotations

import math
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from service.tokenizer import Tokenizer
from tests.training.samples import (
    assert_same_bits,
    classifier,
    data_set,
    rows_of_csv,
    write_project,
)
from training.batching import TokenStore
from training.config import ModelConfig, PretrainingConfig, read_run
from training.data_config import TextSource
from training.distributed import World
from training.errors import ConfigError, DataError, TrainingError
from training.interrupt import Interrupted
from training.model import Classifier
from training.prepared import prepare
from training.pretraining import Pretrainer, read_texts
from training.run import pretrain, restore, train
from training.starting import read_pretrained, start_from
from training.unlabelled import UnlabelledSet

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
CIRCLE = 8
PRETRAINING = "[pretraining]\nlearning_rate = 1e-2"


def circles(count: int, seed: int) -> TokenStore:
    """Texts that go round a circle of pieces: any piece tells both of its neighbours."""
    rng = np.random.default_rng(seed)
    return TokenStore.of(
        [
            (300 + (start + np.arange(length)) % CIRCLE).tolist()
            for start, length in zip(
                rng.integers(0, CIRCLE, count), rng.integers(8, 20, count), strict=True
            )
        ]
    )


def pretrainer_of(
    folder: Path,
    tokenizer_model: bytes,
    network: dict[str, object] | None = None,
    fingerprint: str = "this run",
    **fields: object,
) -> Pretrainer:
    few = {"passes": 3, "batch_size": 8, "learning_rate": 2e-2, "precision": "fp32"}
    sizes = {"embedding_size": 8, "hidden_size": 12, **(network or {})}
    return Pretrainer(
        PretrainingConfig(**{**few, **fields}),  # type: ignore[arg-type]
        ModelConfig(**sizes),  # type: ignore[arg-type]
        *(circles(200, seed=0), circles(20, seed=1)),
        tokenizer_model,
        folder,
        ALONE,
        0,
        fingerprint,
    )


# Learning


@pytest.mark.parametrize(
    ("network", "candidates"),
    [({}, 64), ({"cell": "gru"}, 0)],
)
def test_it_learns_what_stands_beside_a_piece_not_just_how_often(
    tmp_path: Path, tokenizer_model: bytes, network: dict[str, object], candidates: int
) -> None:
    sizes = {"embedding_size": 16, "hidden_size": 16, **network}
    fields = {
        "passes": 10,
        "candidates": candidates,
        "dropout": 0.0,
        "evaluations_per_pass": 1,
        "learning_rate": 2e-2,
    }
    pretrainer_of(tmp_path, tokenizer_model, sizes, average_decay=0.0, **fields).fit()
    last = rows_of_csv(tmp_path / "dev.csv")[-1]
    assert list(last) == ["step", "log_likelihood", "forward_perplexity", "backward_perplexity"]
    for direction in ("forward", "backward"):
        assert float(last[f"{direction}_perplexity"]) < CIRCLE / 2  # by frequency alone: CIRCLE
    losses = [math.log(float(last[f"{way}_perplexity"])) for way in ("forward", "backward")]
    assert float(last["log_likelihood"]) == pytest.approx(-sum(losses) / 2)


# Stopping


def test_a_stopped_language_model_resumes_to_the_same_bits(
    tmp_path: Path, tokenizer_model: bytes
) -> None:
    network: dict[str, object] = {"layers": 2, "weight_drop": 0.2}
    whole = pretrainer_of(tmp_path / "whole", tokenizer_model, network).fit()
    stopped = pretrainer_of(tmp_path / "part", tokenizer_model, network)
    steps = 0

    def stop_at_40(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 40:
            signal.raise_signal(signal.SIGINT)

    stopped._model.to_embedding[0].register_forward_hook(stop_at_40)
    with pytest.raises(Interrupted, match="stopped at step 40 of"):
        stopped.fit()
    resumed = pretrainer_of(tmp_path / "part", tokenizer_model, network).fit()
    assert_same_bits(resumed.state_dict(), whole.state_dict())


def test_ctrl_c_before_the_first_evaluation_leaves_a_language_model_to_start_from(
    tmp_path: Path, tokenizer_model: bytes
) -> None:
    pretrainer = pretrainer_of(tmp_path, tokenizer_model)
    pretrainer._model.register_forward_hook(lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted, match="stopped at step 1 of"):
        pretrainer.fit()
    found = read_pretrained(tmp_path)
    assert found.tokenizer == tokenizer_model
    assert found.network["hidden_size"] == 12


def test_the_way_out_of_other_settings_is_named(tmp_path: Path, tokenizer_model: bytes) -> None:
    pretrainer_of(tmp_path, tokenizer_model, passes=1).fit()
    with pytest.raises(TrainingError, match="`pretrain --fresh`"):
        pretrainer_of(tmp_path, tokenizer_model, fingerprint="another run").fit()


# Starting from it


@pytest.mark.parametrize("network", [{"layers": 2}, {"cell": "gru", "bidirectional": False}])
def test_embedding_and_encoder_arrive_in_the_classifier_and_nothing_else_changes(
    tmp_path: Path, tokenizer_model: bytes, network: dict[str, object]
) -> None:
    language_model = pretrainer_of(tmp_path, tokenizer_model, network, passes=1).fit()
    shape = {"embedding_size": 8, "hidden_size": 12, **network}
    vocab_size = Tokenizer(tokenizer_model).vocab_size
    model = classifier(vocab_size=vocab_size, **shape)
    fresh = classifier(vocab_size=vocab_size, **shape)
    start_from(read_pretrained(tmp_path), model, ["negative", "positive"])
    assert torch.equal(model.embedding.weight, language_model.embedding.weight)
    assert_same_bits(model.encoder.state_dict(), language_model.encoder.state_dict())
    assert torch.equal(model.head.weight, fresh.head.weight)
    ids = torch.arange(300, 310)[None]
    states = [each.encoder(each.embedding(ids)) for each in (model.eval(), language_model)]
    assert torch.equal(states[0], states[1])


def test_a_classifier_of_another_shape_is_refused_by_field(
    tmp_path: Path, tokenizer_model: bytes
) -> None:
    pretrainer_of(tmp_path, tokenizer_model, passes=1).fit()
    model = Classifier(ModelConfig(embedding_size=8, hidden_size=13), 400, 2, 0, 1)
    with pytest.raises(ConfigError, match=r"model\.hidden_size is 13, and 12 in the language"):
        start_from(read_pretrained(tmp_path), model, ["negative", "positive"])


def test_a_folder_without_a_language_model_is_refused(project: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no bundle .* and no language model"):
        read_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="is of a classifier"):
        read_pretrained(project / "run")


# What it reads


def test_it_reads_train_and_unlabelled_texts_and_no_dev_or_test_text_of_any_set(
    tokenizer_model: bytes,
) -> None:
    labels = ("negative", "positive")
    sets = [
        data_set("a", labels, [("one text", "positive"), ("dev of b", "negative")]),
        data_set("b", labels, [("two text", "positive"), ("test of a", "negative")]),
    ]
    held = data_set("c", labels, test=[("test of a", "positive")], dev=[("dev of b", "negative")])
    texts = ("three text", "test of a", "one text")
    extra = UnlabelledSet(TextSource(file="u.csv"), texts, {}, "", texts)
    tokenizer = Tokenizer(tokenizer_model)
    stores = read_texts([*sets, held], [extra], tokenizer, held_out_share=0.3, seed=0)
    found = [store[row].tolist() for store in stores for row in range(len(store))]
    expected = tokenizer.encode_all(["one text", "two text", "three text"])
    assert sorted(found) == sorted(expected)
    assert [len(store) for store in stores] == [2, 1]


def test_too_few_texts_are_refused(tokenizer_model: bytes) -> None:
    few = data_set("a", ("negative", "positive"), [("one text", "positive")])
    with pytest.raises(DataError, match="1 texts of two tokens or more; it needs two"):
        read_texts([few], [], Tokenizer(tokenizer_model), 0.01, 0)


# Runs


UNLABELLED = '[[unlabelled]]\nfile = "more.jsonl"\ntext_column = "body"\n'


def write_more(folder: Path) -> None:
    (folder / "more.jsonl").write_text('{"body": "the soup was cold"}\n' * 2, encoding="utf-8")


def test_train_pretrains_first_and_another_run_starts_from_the_same(tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=60, top=PRETRAINING, data=UNLABELLED)
    write_more(tmp_path)
    run = read_run(run_file, {"pretraining.passes": "1", "training.passes": "1"})
    trained = train(run, tmp_path, tmp_path / "run", ALONE)
    assert trained.start is not None
    own = pretrain(run, prepare(run, tmp_path, tmp_path / "run", ALONE), tmp_path / "run", ALONE)
    assert read_pretrained(own).digest == trained.start.digest

    starts = f"passes = 1\nstart = '{own}'\nvirtual_adversarial_weight = 1.0"
    other = read_run(write_project(tmp_path / "other", rows=40, training=starts, data=UNLABELLED))
    write_more(tmp_path / "other")
    again = train(other, tmp_path / "other", tmp_path / "other" / "run", ALONE)
    assert again.tokenizer == trained.tokenizer
    assert again.texts[-1] == "the soup was cold"
    # A rate that moves nothing shows where it started.
    still = read_run(tmp_path / "other" / "run.toml", {"training.learning_rate": "1e-30"})
    model = train(still, tmp_path / "other", tmp_path / "other" / "still", ALONE).model
    assert torch.allclose(model.embedding.weight, read_pretrained(own).weights["embedding.weight"])


def test_a_pretrained_run_with_folds_and_ngrams_is_found_again(tmp_path: Path) -> None:
    beside = f"{UNLABELLED}[ngrams]\nbuckets = 500\n[distillation]\nfolds = 2\n"
    run_file = write_project(
        tmp_path, rows=60, top=PRETRAINING, model="weight_drop = 0.2", data=beside
    )
    write_more(tmp_path)
    changes = {"pretraining.passes": "1", "training.passes": "2", "training.unfreeze_passes": "0.5"}
    run, folder = read_run(run_file, changes), tmp_path / "run"
    trained = train(run, tmp_path, folder, ALONE)
    again = restore(run, tmp_path, folder, ALONE)
    assert_same_bits(again.model.state_dict(), trained.model.state_dict())
    assert trained.taught is not None
    assert len(trained.taught.log_p) == len(trained.texts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training.start": '"x"'}, "one of .pretraining., training.start and vectors"),
        ({"vectors": '"x.vec"'}, "one of .pretraining., training.start and vectors"),
        ({"pretraining.candidates": "-1"}, "pretraining.candidates"),
        ({"training.layer_rate_factor": "0.5"}, "training.layer_rate_factor"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    run_file = write_project(tmp_path, rows=20, top=PRETRAINING)
    with pytest.raises(ConfigError, match=message):
        read_run(run_file, changes)
