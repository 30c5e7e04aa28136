"""A linear model over pieces and pairs of pieces, whose logits are added to the network's.

A recurrent net and a linear model of n-grams err in different places; their logits together
are right more often than either's (Mesnil et al. 2014, "Ensemble of generative and
discriminative techniques for sentiment analysis of movie reviews"). In a language without
spaces, n-grams of characters tell more than those of pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor, nn
from tqdm import tqdm

from service.engine import Float32
from service.tokenizer import Tokenizer
from training.batching import Int, TokenStore
from training.config import NGramConfig
from training.corpus import Corpus
from training.objectives import partial_label_losses
from training.pooling import NEVER, mask_of

PRIME, BASE, MIXER = 2**31 - 1, 1_000_003, 1_103_515_245
"""A string of numbers (pieces, or characters) is a polynomial in BASE modulo PRIME (Karp & Rabin
1987), so that the hash of its two parts is a sum. Times MIXER modulo PRIME, modulo the buckets."""

CHARACTERS = 3
"""In the longest n-gram of characters."""

BATCH_SIZE = 64


class NGrams(nn.Module):
    """Token ids (B, T) to logits (B, C): weights of pieces and pairs, over sqrt(length).

    The table (V + buckets, C) holds a row for each piece, then rows that n-grams share by a hash
    (Weinberger et al. 2009). N of them count at each boundary between pieces: their hashes are
    sums of `lefts` (N, V) of the piece before and `rights` (N, V) of the one after. Left out,
    that is the pair of pieces; with those of a `Spelling`, n-grams of characters too.
    """

    lefts: Tensor
    rights: Tensor

    def __init__(
        self,
        vocab_size: int,
        buckets: int,
        classes: int,
        sides: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.buckets = vocab_size, buckets
        self.table = nn.Embedding(vocab_size + buckets, classes, sparse=True)
        self.bias = nn.Parameter(torch.zeros(classes))
        lefts, rights = sides or pair_sides(vocab_size)
        self.register_buffer("lefts", lefts)
        self.register_buffer("rights", rights)
        nn.init.zeros_(self.table.weight)

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits (B, C). Without `lengths` (B,) every text is T long."""
        if lengths is None:
            lengths = torch.full((len(ids),), ids.shape[1], device=ids.device)
        within = mask_of(lengths, ids.shape[1])  # (B, T)
        total = self._sum(ids[None], within)
        total = total + self._sum(self.across(ids[:, :-1], ids[:, 1:]), within[:, 1:])
        return total / lengths[:, None].sqrt() + self.bias

    def across(self, left: Tensor, right: Tensor) -> Tensor:
        """The rows (N, ...) of the n-grams across boundaries between two pieces (...)."""
        return self.rows(self.lefts[:, left] + self.rights[:, right])

    def rows(self, hashes: Tensor) -> Tensor:
        """The rows of n-grams, of any shape."""
        return self.vocab_size + hashes % PRIME * MIXER % PRIME % self.buckets

    def _sum(self, rows: Tensor, within: Tensor) -> Tensor:
        weights = self.table(rows).masked_fill(~within[..., None], 0.0)  # (N, B, T, C)
        return weights.sum(dim=(0, 2))  # type: ignore[no-any-return]


def pair_sides(vocab_size: int) -> tuple[Tensor, Tensor]:
    """What pieces are worth left and right in the hash of a pair, (1, V) each."""
    pieces = torch.arange(vocab_size)[None]
    return pieces * BASE % PRIME, pieces


@dataclass(frozen=True)
class Spelling:
    """What the pieces of a tokenizer are made of, as hashes."""

    sides: tuple[Tensor, Tensor]
    """What pieces are worth left and right of a boundary, (4, V) each: for the pair, and for
    the characters next to it, one of each, two and one, one and two."""
    inner: Tensor
    """(G,), the n-grams of one to three characters within each piece, piece after piece, each by
    a number from 0 on."""
    inner_counts: Tensor
    """(V,), how many of `inner` each piece has."""


def spell(tokenizer: Tokenizer) -> Spelling:
    """How the pieces are spelled; what stands for no text (`<unk>`, bytes) has no characters."""
    numbers: dict[str, int] = {}
    inner: list[list[int]] = []
    lefts, rights = [], []
    for piece in tokenizer.pieces(range(tokenizer.vocab_size)):
        text = "" if piece[0] + piece[-1] == "<>" else piece
        grams = [
            text[start : start + size]
            for size in range(1, CHARACTERS + 1)
            for start in range(len(text) - size + 1)
        ]
        inner.append([numbers.setdefault(gram, len(numbers)) for gram in grams])
        one, two = _hash(text[-1:]) * BASE, _hash(text[-2:]) * BASE
        lefts.append([one % PRIME, two % PRIME, one * BASE % PRIME])
        rights.append([_hash(text[:1]), _hash(text[:1]), _hash(text[:2])])
    pairs = pair_sides(tokenizer.vocab_size)
    return Spelling(
        sides=(
            torch.cat([pairs[0], torch.tensor(lefts).T]),
            torch.cat([pairs[1], torch.tensor(rights).T]),
        ),
        inner=torch.tensor([gram for grams in inner for gram in grams]),
        inner_counts=torch.tensor([len(grams) for grams in inner]),
    )


def _hash(text: str) -> int:
    value = 0
    for character in text:
        value = (value * BASE + ord(character)) % PRIME
    return value


def fit_ngrams(
    config: NGramConfig, train: Corpus, vocab_size: int, seed: int, spelling: Spelling | None = None
) -> NGrams:
    """Fit to labelled texts by AdaGrad, whose steps suit rare rows (Duchi et al. 2011).

    With a `spelling` the n-grams of characters count too.
    """
    classes = train.sayable.shape[1]
    ngrams = NGrams(vocab_size, config.buckets, classes, spelling.sides if spelling else None)
    inner = _Inner(spelling, classes) if spelling else None
    weights = [*ngrams.parameters(), *(inner.parameters() if inner else ())]
    optimizer = torch.optim.Adagrad(weights, lr=config.learning_rate)
    targets, sayable = torch.from_numpy(train.targets), torch.from_numpy(train.sayable)
    readable = np.flatnonzero(train.store.lengths)
    # Not checked, and said so: torch warns of gradients of few rows otherwise.
    with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
        for number in range(config.passes):
            order = np.random.default_rng((seed, number)).permutation(readable)
            batches = [order[at : at + BATCH_SIZE] for at in range(0, len(order), BATCH_SIZE)]
            for rows in tqdm(batches, desc=f"n-grams, pass {number + 1}/{config.passes}"):
                optimizer.zero_grad()
                logits = _logits_of_many(ngrams, inner, train.store, rows)
                loss = partial_label_losses(logits, targets[rows], sayable[rows]).mean()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    if inner:
        with torch.no_grad():
            ngrams.table.weight[:vocab_size] += inner(torch.arange(vocab_size))
    return ngrams


class _Inner(nn.Module):
    """Piece ids (N,) to the summed weights (N, C) of the n-grams of characters within each.

    Needed while the weights are learnt; afterwards the sums are part of each piece's own row.
    """

    def __init__(self, spelling: Spelling, classes: int) -> None:
        super().__init__()
        self._grams, self._counts = spelling.inner, spelling.inner_counts
        self._starts = self._counts.cumsum(0) - self._counts
        self.table = nn.EmbeddingBag(int(self._grams.max()) + 1, classes, mode="sum", sparse=True)
        nn.init.zeros_(self.table.weight)

    def forward(self, ids: Tensor) -> Tensor:
        counts = self._counts[ids]
        offsets = counts.cumsum(0) - counts
        # Of each piece, where its n-grams begin, and from there on.
        places = (self._starts[ids] - offsets).repeat_interleave(counts)
        summed: Tensor = self.table(self._grams[places + torch.arange(len(places))], offsets)
        return summed


def _logits_of_many(ngrams: NGrams, inner: _Inner | None, store: TokenStore, rows: Int) -> Tensor:
    """Logits (B, C) of texts of any lengths, at least 1, side by side instead of padded."""
    texts = [torch.from_numpy(store[row].astype(np.int64)) for row in rows.tolist()]
    lengths = torch.tensor([len(text) for text in texts])
    ids, text_of = torch.cat(texts), torch.arange(len(texts)).repeat_interleave(lengths)
    neighbours = text_of[:-1] == text_of[1:]
    across = ngrams.across(ids[:-1][neighbours], ids[1:][neighbours])  # (N, boundaries)
    weights = ngrams.table(ids) if inner is None else ngrams.table(ids) + inner(ids)
    total = torch.zeros(len(texts), weights.shape[1]).index_add(0, text_of, weights)
    total = total.index_add(0, text_of[1:][neighbours], ngrams.table(across).sum(dim=0))
    return total / lengths[:, None].sqrt() + ngrams.bias


def fit_share(own: Float32, other: Float32, corpus: Corpus) -> float:
    """How much of `other` to add to the logits `own` (N, C) of labelled texts; never below 0.

    Logistic regression over the two, which have learnt other texts (stacking, Wolpert 1992).
    """
    every = np.arange(len(corpus))

    def loss(weights: tuple[float, float]) -> float:
        logits = np.where(corpus.sayable, weights[0] * own + weights[1] * other, NEVER)
        return float(-log_softmax(logits, axis=-1)[every, corpus.targets].mean())

    weights = minimize(loss, (1.0, 0.5), bounds=((0.01, None), (0.0, None))).x
    return float(weights[1] / weights[0])
