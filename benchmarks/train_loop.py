"""The training loop against the usual one: buckets of similar length, padded and packed, fp32.

Both train the same network on the same synthetic texts for the same number of tokens
that count; the two alternate, so that a machine whose speed drifts slows both.

    python benchmarks/train_loop.py            # prints a table, writes results/train_loop.json
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import typer
from torch import nn

from training.batching import Int, TokenStore, cropped_lengths
from training.config import ModelConfig, TrainingConfig
from training.corpus import Corpus
from training.distributed import World
from training.model import Classifier
from training.trainer import Trainer

VOCAB_SIZE = 24_000
CLASSES = 3
RESULTS = Path(__file__).parent / "results" / "train_loop.json"


def synthetic(texts: int, rng: np.random.Generator) -> Corpus:
    """Texts as long as real ones: mostly sentences, some reviews (log-normal, 3..768 tokens)."""
    lengths = np.clip(rng.lognormal(3.2, 1.0, texts).astype(int), 3, 768)
    store = TokenStore.of([rng.integers(2, VOCAB_SIZE, n).tolist() for n in lengths])
    return Corpus(
        store=store,
        targets=rng.integers(0, CLASSES, texts),
        sayable=np.ones((texts, CLASSES), dtype=np.bool_),
        names=("synthetic",),
        members=np.zeros(texts, dtype=np.int64),
    )


def ours(corpus: Corpus, model: ModelConfig, config: TrainingConfig) -> float:
    """Tokens a second of one pass of the real trainer, evaluation left out."""
    tokens = int(cropped_lengths(corpus.store.lengths, config.max_tokens).sum())
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            config=config,
            model=Classifier(model, VOCAB_SIZE, CLASSES, pad_id=0, unk_id=1),
            train=corpus,
            dev=synthetic(1, np.random.default_rng(0)),
            folder=Path(folder),
            world=World(0, 1, torch.device("cpu")),
            seed=0,
            fingerprint="",
        )
        began = time.perf_counter()
        trainer.fit()
        return tokens / (time.perf_counter() - began)


def plain(corpus: Corpus, model: ModelConfig, config: TrainingConfig) -> float:
    """Tokens a second of the usual loop: buckets of similar length, padded, packed, fp32."""
    net = Classifier(model, VOCAB_SIZE, CLASSES, pad_id=0, unk_id=1).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate)
    lengths = np.minimum(corpus.store.lengths, config.max_tokens)
    began = time.perf_counter()
    for rows in buckets(lengths, config):
        texts = [
            torch.from_numpy(corpus.store[row][: lengths[row]].astype(np.int64)) for row in rows
        ]
        ids = nn.utils.rnn.pad_sequence(texts, batch_first=True)
        logits = net(ids, torch.from_numpy(lengths[rows]))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(corpus.targets[rows]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
        optimizer.step()
    return int(lengths.sum()) / (time.perf_counter() - began)


def buckets(lengths: Int, config: TrainingConfig) -> list[Int]:
    """Rows in batches of similar length, within the run's budgets, in random order."""
    batches: list[list[int]] = [[]]
    for row in np.argsort(lengths, kind="stable").tolist():
        size = len(batches[-1]) + 1
        if size > config.batch_size or size * lengths[row] > config.batch_tokens:
            batches.append([])
        batches[-1].append(row)
    order = np.random.default_rng(0).permutation(len(batches))
    return [np.array(batches[index]) for index in order if batches[index]]


def main(texts: int = 12_000, rounds: int = 3, hidden_size: int = 192) -> None:
    """Alternate both loops and report the median ratio."""
    corpus = synthetic(texts, np.random.default_rng(1))
    model = ModelConfig(hidden_size=hidden_size)
    config = TrainingConfig(passes=1, evaluations_per_pass=1, checkpoint_every_s=3600)
    rows = []
    for number in range(rounds):
        rates = {"ours": ours(corpus, model, config), "plain": plain(corpus, model, config)}
        rows.append({**rates, "ratio": rates["ours"] / rates["plain"]})
        print(
            f"round {number + 1}: ours {rates['ours']:,.0f} tokens/s, "
            f"packed fp32 {rates['plain']:,.0f}, ratio {rows[-1]['ratio']:.2f}"
        )
    ratio = statistics.median(row["ratio"] for row in rows)
    print(f"median ratio {ratio:.2f} on {os.cpu_count()} cores")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"median_ratio": ratio, "rounds": rows}, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
