"""Small labelled texts and run files, written for these tests."""

from __future__ import annotations

import csv
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from service.bundle import MANIFEST_FILE, MODEL_FILE
from training.batching import TokenStore
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load
from training.config import ModelConfig, TrainingConfig
from training.corpus import Corpus
from training.data_config import DataSource
from training.datasets import DataSet
from training.model import Classifier
from training.rows import Rows

ROOT = Path(__file__).parents[2]

WORDS = {
    "positive": ("great", "lovely", "superb", "charming", "很棒", "满意", "喜欢", "惊喜"),
    "negative": ("awful", "broken", "dreary", "rude", "太差", "失望", "难吃", "糟糕"),
    "neutral": ("average", "ordinary", "on Tuesday", "as listed", "一般", "普通", "周二", "还行"),
}
THINGS = (
    *("the room", "this film", "my phone", "the soup", "a waiter", "their shop"),
    *("房间", "手机", "外卖", "服务", "电影", "屏幕"),
)

RUN_TOML = """
name = "tiny"
description = "Reviews made up for a test."
golden = ["the soup was great", "服务太差"]
{top}
[tokenizer]
vocab_size = 400
character_coverage = 1.0

[model]
embedding_size = 8
hidden_size = 8
{model}
[training]
batch_size = 8
learning_rate = 1e-2
warmup_share = 0.3
checkpoint_every_s = 1e-6
{training}

[[data]]
name = "reviews"
train = "train.csv"
test = "test.csv"
text_column = "review"
label_column = "sentiment"
dev_share = 0.2
{data}
"""

Row = tuple[str, str]


def reviews(
    count: int, seed: int = 0, labels: Iterable[str] = ("negative", "positive")
) -> list[Row]:
    """Different texts of 1 to some 20 tokens, each with a word that gives its label away."""
    rng, choices = random.Random(seed), sorted(labels)
    found: dict[str, str] = {}
    while len(found) < count:
        label = choices[len(found) % len(choices)]
        words = rng.choices(THINGS, k=rng.randint(1, 4)) + rng.sample(WORDS[label], 2)
        rng.shuffle(words)
        found.setdefault(f"{' '.join(words)} {rng.randint(0, 99)}", label)
    return list(found.items())


def data_set(
    name: str,
    labels: tuple[str, ...],
    train: Sequence[Row] = (),
    test: Sequence[Row] = (),
    dev: Sequence[Row] = (),
    **source: str,
) -> DataSet:
    """A data set of these rows."""

    def rows(found: Sequence[Row]) -> Rows:
        return Rows(tuple(text for text, _ in found), tuple(label for _, label in found))

    return DataSet(
        DataSource(name=name, train="train.csv", **source),  # type: ignore[arg-type]
        labels,
        rows(train),
        rows(dev),
        rows(test),
        {},
        {},
    )


def write_bert(
    folder: Path, texts: Iterable[str], labels: Sequence[str] = (), **settings: float
) -> Path:
    """A folder with an untrained BERT of a few weights that knows the words of these texts.

    With `labels` it has a head for them.
    """
    transformers = pytest.importorskip("transformers", reason="needs the extra `teachers`")
    words = {word for text in texts for word in re.findall(r"[a-z]+|[\u4e00-\u9fff]", text.lower())}
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words)]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        id2label=dict(enumerate(labels)) if labels else None,
        **settings,
    )
    kind = transformers.BertForSequenceClassification if labels else transformers.BertModel
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    return folder


def write_csv(path: Path, rows: Iterable[Row], header: Row = ("review", "sentiment")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_project(
    folder: Path, *, rows: int = 150, top: str = "", model: str = "", training: str = "passes = 2",
    data: str = "",
) -> Path:  # fmt: skip
    """A run file beside its data; the path of the run file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "train.csv", reviews(rows))
    write_csv(folder / "test.csv", reviews(40, seed=1))
    run_file = folder / "run.toml"
    run_file.write_text(
        RUN_TOML.format(top=top, model=model, training=training, data=data), encoding="utf-8"
    )
    return run_file


def options(folder: Path, output: str = "run", models: str = "models") -> list[str]:
    """The command line's options for a project: where everything lies."""
    return [
        *("--data", str(folder), "--output", str(folder / output)),
        *("--models", str(folder / models)),
    ]


def environment(**changes: str) -> Mapping[str, str]:
    """For a subprocess: this code, one thread (as in this process), nothing from the network."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        **changes,
    }


def run_python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the interpreter to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=240,
    )


def train_command(folder: Path, output: str, models: str) -> list[str]:
    return ["-m", "training", "train", str(folder / "run.toml"), *options(folder, output, models)]


def stop_midway(number: signal.Signals, *arguments: str) -> int:
    """Start the interpreter, send a signal at a run's second evaluation, return its status."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    with process.stdout as lines:
        evaluations = (line for line in lines if line.startswith("step "))
        next(evaluations)
        next(evaluations)
        process.send_signal(number)
        lines.read()
    return process.wait()


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_same_bits(found: object, expected: object) -> None:
    """Nested states are equal, tensors bit for bit."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert list(found) == list(expected)
        for key in expected:
            assert_same_bits(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert isinstance(found, list | tuple)
        for one, other in zip(found, expected, strict=True):
            assert_same_bits(one, other)
    elif isinstance(expected, torch.Tensor):
        assert isinstance(found, torch.Tensor)
        assert torch.equal(found, expected)
    else:
        assert found == expected


def assert_ends_like_the_whole_run(folder: Path, output: str) -> None:
    """The run in `output` left what the one in `run` left, weights, curves and bundle."""
    for name in (CHECKPOINT_FILE, BEST_FILE):
        assert_same_bits(load(folder / output / name), load(folder / "run" / name))
    for kind, columns in (("train", ["step", "loss", "learning_rate"]), ("dev", ["step", "mean"])):
        found, expected = (rows_of_csv(folder / run / f"{kind}.csv") for run in (output, "run"))
        assert len(expected) > 2
        assert [[row[column] for column in columns] for row in found] == [
            [row[column] for column in columns] for row in expected
        ]
    for name in (MODEL_FILE, MANIFEST_FILE):
        packed = (folder / f"models-{output}" / "tiny" / name).read_bytes()
        assert packed == (folder / "models" / "tiny" / name).read_bytes()


def corpus(
    count: int = 32, seed: int = 0, classes: int = 2, sets: int = 1, shortest: int = 1
) -> Corpus:
    """Random token ids of up to 12; the first token gives the class away."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    texts = [
        [2 + target, *rng.integers(8, 30, rng.integers(shortest - 1, 12)).tolist()]
        for target in targets.tolist()
    ]
    return Corpus(
        store=TokenStore.of(texts),
        targets=targets.astype(np.int64),
        sayable=np.ones((count, classes), dtype=np.bool_),
        names=tuple(f"set{index}" for index in range(sets)),
        members=np.sort(np.arange(count) % sets).astype(np.int64),
    )


def classifier(
    seed: int = 0, vocab_size: int = 30, classes: int = 2, **fields: object
) -> Classifier:
    """A tiny network without dropout unless asked for."""
    quiet = dict.fromkeys(
        ("word_dropout", "embedding_dropout", "layer_dropout", "head_dropout"), 0.0
    )
    sizes = {"embedding_size": 8, "hidden_size": 8}
    torch.manual_seed(seed)
    config = ModelConfig(**{**sizes, **quiet, **fields})  # type: ignore[arg-type]
    return Classifier(config, vocab_size, classes, pad_id=0, unk_id=1)


def settings(**fields: object) -> TrainingConfig:
    """A loop of a few small steps."""
    few = {
        "passes": 2,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "precision": "fp32",
        "checkpoint_every_s": 3600.0,
    }
    return TrainingConfig(**{**few, **fields})  # type: ignore[arg-type]
