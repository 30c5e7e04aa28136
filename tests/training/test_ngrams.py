from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.samples import assert_same_bits, write_project
from training.batching import TokenStore
from training.config import NGramConfig, read_run
from training.corpus import Corpus
from training.distributed import World
from training.ngrams import BASE, MIXER, PRIME, NGrams, fit_ngrams, fit_share, spell
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
    pairs = [VOCAB + (x * BASE + y) % PRIME * MIXER % PRIME % 97 for x, y in ((7, 9), (9, 11))]
    by_hand = ngrams.table.weight[[7, 9, 11, *pairs]].sum(dim=0)
    torch.testing.assert_close(ngrams(ids[:, :3])[0], by_hand / 3**0.5 + ngrams.bias)


class Pieces:
    """As much of a tokenizer as spelling takes."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces
        self.vocab_size = len(pieces)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._pieces[number] for number in ids]


def test_ngrams_of_characters_are_the_same_however_the_text_is_cut() -> None:
    pieces = Pieces("<unk>", "不", "不好", "好", "好吃", "吃")
    spelling = spell(pieces)  # type: ignore[arg-type]
    (_, one, two, first), (_, one_more, third, two_more) = spelling.sides
    grams = torch.split_with_sizes(spelling.inner, spelling.inner_counts.tolist())
    unk, no, not_good, good, tasty, eat = range(6)
    assert len(grams[unk]) == 0
    assert set(grams[good].tolist()) < set(grams[not_good].tolist())
    pair = (one[no] + one_more[good]) % PRIME
    assert pair == (one[no] + one_more[tasty]) % PRIME
    assert pair != (one[good] + one_more[no]) % PRIME
    triple = (two[not_good] + third[eat]) % PRIME
    assert triple == (first[no] + two_more[tasty]) % PRIME
    assert triple != pair


def test_what_is_learnt_of_characters_holds_for_pieces_that_were_never_seen() -> None:
    pieces = Pieces("<unk>", "不", "好", "坏", *"甲乙丙丁戊己庚辛", "好吃", "坏吃")
    spelling = spell(pieces)  # type: ignore[arg-type]
    texts, targets = [], []
    rng = np.random.default_rng(0)
    for _ in range(2000):
        no, word = rng.integers(2), rng.integers(2, 4)
        filler = rng.integers(4, 12, size=rng.integers(1, 6)).tolist()
        texts.append([*filler, *([1] if no else []), int(word), *filler])
        targets.append(int((word == 2) != bool(no)))
    train = corpus_of(texts, targets)
    config = NGramConfig(buckets=5000, characters=True)
    ngrams = fit_ngrams(config, train, pieces.vocab_size, seed=0, spelling=spelling)
    assert right(ngrams, train) > 0.95
    unseen = corpus_of([[6, 12, 5], [6, 1, 12], [13, 7], [1, 13, 8, 9]], [1, 0, 0, 1])
    assert right(ngrams, unseen) == 1.0


@pytest.mark.parametrize("buckets", [2**19, 500_000, 1_000_003])
def test_few_pairs_share_a_row(buckets: int) -> None:
    ids = torch.randint(2, 24_000, (2, 100_000), generator=torch.Generator().manual_seed(0))
    rows = NGrams(24_000, buckets, classes=2).across(*ids)
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


def test_a_run_adds_them_and_finds_them_again(tmp_path: Path) -> None:
    path = write_project(tmp_path, training="passes = 2")
    ngrams = "[ngrams]\ncharacters = true\nbuckets = 1000\npasses = 2\n\n"
    path.write_text(path.read_text().replace("[[data]]", ngrams + "[[data]]"))
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
