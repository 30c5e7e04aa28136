from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.samples import assert_same_bits, write_project
from training.batching import TokenStore
from training.config import NGramConfig, read_run
from training.corpus import Corpus
from training.distributed import World
from training.ngrams import BOTH, LEFT, PRIME, NGrams, fit_ngrams, fit_share
from training.prepared import prepare
from training.run import restore, train

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
NOT, GOOD, BAD, VOCAB = 2, 3, 4, 40


def corpus_of(texts: list[list[int]], targets: list[int], classes: int = 2) -> Corpus:
    return Corpus(
        store=TokenStore.of(texts),
        targets=np.array(targets),
        sayable=np.ones((len(texts), classes), dtype=bool),
        names=("toy",),
        members=np.zeros(len(texts), dtype=np.int64),
    )


def negated(rows: int, seed: int) -> Corpus:
    """`good` and `not bad` are 1, `bad` and `not good` 0, in texts with both words somewhere."""
    rng = np.random.default_rng(seed)
    texts, targets = [], []
    for _ in range(rows):
        said, target = [([GOOD], 1), ([NOT, BAD], 1), ([BAD], 0), ([NOT, GOOD], 0)][rng.integers(4)]
        filler = rng.integers(5, VOCAB, size=rng.integers(2, 12)).tolist()
        place = rng.integers(len(filler))
        texts.append([*filler[:place], *said, *filler[place:], *([NOT] if len(said) == 1 else [])])
        targets.append(target)
    return corpus_of(texts, targets)


def right(ngrams: NGrams, corpus: Corpus) -> float:
    with torch.no_grad():
        answers = [
            int(ngrams(torch.from_numpy(corpus.store[row].astype(np.int64))[None]).argmax())
            for row in range(len(corpus))
        ]
    return float((np.array(answers) == corpus.targets).mean())


def test_it_learns_what_only_pairs_tell() -> None:
    config = NGramConfig(buckets=5000, passes=4)
    ngrams = fit_ngrams(config, negated(3000, seed=0), VOCAB, seed=0)
    assert right(ngrams, negated(300, seed=1)) > 0.95
    with torch.no_grad():
        ngrams.table.weight[VOCAB:] = 0  # pieces by themselves
    assert right(ngrams, negated(300, seed=1)) < 0.65


def test_a_text_padded_has_the_logits_of_the_text() -> None:
    ngrams = NGrams(VOCAB, buckets=97, classes=3)
    torch.nn.init.normal_(ngrams.table.weight)
    torch.nn.init.normal_(ngrams.bias)
    ids = torch.tensor([[7, 9, 11, 0, 0]])
    torch.testing.assert_close(ngrams(ids, torch.tensor([3])), ngrams(ids[:, :3]))
    pairs = [VOCAB + (x * LEFT + y) % PRIME * BOTH % PRIME % 97 for x, y in ((7, 9), (9, 11))]
    by_hand = ngrams.table.weight[[7, 9, 11, *pairs]].sum(dim=0)
    torch.testing.assert_close(ngrams(ids[:, :3])[0], by_hand / 3**0.5 + ngrams.bias)


@pytest.mark.parametrize("buckets", [2**19, 500_000, 1_000_003])
def test_few_pairs_share_a_row(buckets: int) -> None:
    ids = torch.randint(2, 24_000, (2, 100_000), generator=torch.Generator().manual_seed(0))
    rows = NGrams(24_000, buckets, classes=2).pairs(*ids)
    assert rows.min() >= 24_000
    assert rows.max() < 24_000 + buckets
    by_chance = buckets * (1 - np.exp(-100_000 / buckets))
    assert len(rows.unique()) == pytest.approx(by_chance, rel=0.01)


@pytest.mark.parametrize(("quality", "low", "high"), [(1.0, 0.7, 1.4), (0.0, 0.0, 0.1)])
def test_the_share_is_what_the_other_logits_are_worth(
    quality: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, size=4000)
    truth = np.eye(2)[targets]

    def logits(strength: float) -> np.ndarray:
        return (strength * truth + rng.normal(size=truth.shape)).astype(np.float32)

    corpus = corpus_of([[1]] * len(targets), targets.tolist())
    assert low <= fit_share(logits(1.0), logits(quality), corpus) <= high


def test_a_few_rows_without_errors_do_not_ask_for_an_extreme_share() -> None:
    targets = np.arange(10) % 2
    other = 4 * np.eye(2, dtype=np.float32)[targets]
    corpus = corpus_of([[1]] * len(targets), targets.tolist())
    assert 0.3 <= fit_share(other / 40, other, corpus) <= 2


def test_a_run_adds_them_and_finds_them_again(tmp_path: Path) -> None:
    path = write_project(tmp_path, training="passes = 2")
    text = path.read_text().replace("[[data]]", "[ngrams]\nbuckets = 1000\npasses = 2\n\n[[data]]")
    path.write_text(text)
    run, folder = read_run(path), tmp_path / "run"
    trained = train(run, tmp_path, folder, ALONE)
    assert trained.model.ngrams is not None
    kept = next(folder.glob("*.ngrams.pt"))
    written = kept.stat().st_mtime_ns
    again = restore(run, tmp_path, folder, ALONE)
    assert_same_bits(again.model.state_dict(), trained.model.state_dict())
    assert kept.stat().st_mtime_ns == written
    other = read_run(path, {"ngrams.buckets": "500"})
    restored = restore(other, tmp_path, folder, ALONE)
    assert restored.model.ngrams is not None
    assert restored.model.ngrams.buckets == 500
    assert prepare(run, tmp_path, folder, ALONE).labels == trained.labels
