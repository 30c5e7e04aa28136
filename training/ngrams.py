"""A linear model over pieces and pairs of pieces, whose logits are added to the network's.

A recurrent net and a linear model of n-grams err in different places; their logits together
are right more often than either's (Mesnil et al. 2014, "Ensemble of generative and
discriminative techniques for sentiment analysis of movie reviews").
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from service.engine import Float32
from service.postprocess import Float64
from training.batching import Int, TokenStore
from training.config import NGramConfig
from training.corpus import Corpus
from training.objectives import partial_label_losses
from training.pooling import NEVER, mask_of

PRIME = 2**31 - 1
LEFT, BOTH = 1_000_003, 1_103_515_245
"""A pair's hash is (left * LEFT + right) * BOTH modulo PRIME, modulo the buckets."""

BATCH_SIZE = 64
PRIOR_SD = 0.5
"""Of the weights that logits get beside others, around 1 for the network and 0.5 for n-grams."""


class NGrams(nn.Module):
    """Token ids (B, T) to logits (B, C): weights of pieces and pairs, over sqrt(length).

    The table (V + buckets, C) holds a row for each piece, then rows that pairs of
    neighbours share by a hash (Weinberger et al. 2009).
    """

    def __init__(self, vocab_size: int, buckets: int, classes: int) -> None:
        super().__init__()
        self.vocab_size, self.buckets = vocab_size, buckets
        self.table = nn.Embedding(vocab_size + buckets, classes, sparse=True)
        self.bias = nn.Parameter(torch.zeros(classes))
        nn.init.zeros_(self.table.weight)

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits (B, C). Without `lengths` (B,) every text is T long."""
        if lengths is None:
            lengths = torch.full((len(ids),), ids.shape[1], device=ids.device)
        within = mask_of(lengths, ids.shape[1])  # (B, T)
        pairs = self.pairs(ids[:, :-1], ids[:, 1:])
        total = self._sum(ids, within) + self._sum(pairs, within[:, 1:])
        return total / lengths[:, None].sqrt() + self.bias

    def pairs(self, left: Tensor, right: Tensor) -> Tensor:
        """The rows of pairs of neighbours, of any shape."""
        mixed = (left * LEFT + right) % PRIME * BOTH % PRIME
        return self.vocab_size + mixed % self.buckets

    def _sum(self, rows: Tensor, within: Tensor) -> Tensor:
        weights = self.table(rows).masked_fill(~within[..., None], 0.0)  # (B, T, C)
        return weights.sum(dim=1)  # type: ignore[no-any-return]


def fit_ngrams(config: NGramConfig, train: Corpus, vocab_size: int, seed: int) -> NGrams:
    """Fit to labelled texts by AdaGrad, whose steps suit rare rows (Duchi et al. 2011)."""
    ngrams = NGrams(vocab_size, config.buckets, train.sayable.shape[1])
    optimizer = torch.optim.Adagrad(ngrams.parameters(), lr=config.learning_rate)
    targets, sayable = torch.from_numpy(train.targets), torch.from_numpy(train.sayable)
    readable = np.flatnonzero(train.store.lengths)
    # Not checked, and said so: torch warns of gradients of few rows otherwise.
    with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
        for number in range(config.passes):
            order = np.random.default_rng((seed, number)).permutation(readable)
            batches = [order[at : at + BATCH_SIZE] for at in range(0, len(order), BATCH_SIZE)]
            for rows in tqdm(batches, desc=f"n-grams, pass {number + 1}/{config.passes}"):
                optimizer.zero_grad()
                logits = _logits_of_many(ngrams, train.store, rows)
                loss = partial_label_losses(logits, targets[rows], sayable[rows]).mean()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    return ngrams


def _logits_of_many(ngrams: NGrams, store: TokenStore, rows: Int) -> Tensor:
    """Logits (B, C) of texts of any lengths, at least 1, side by side instead of padded."""
    texts = [torch.from_numpy(store[row].astype(np.int64)) for row in rows.tolist()]
    grams = [torch.cat([text, ngrams.pairs(text[:-1], text[1:])]) for text in texts]
    sizes = torch.tensor([len(each) for each in grams])
    weight = torch.tensor([len(text) for text in texts]).rsqrt()
    total = functional.embedding_bag(
        torch.cat(grams),
        ngrams.table.weight,
        sizes.cumsum(0) - sizes,
        mode="sum",
        sparse=True,
        per_sample_weights=weight.repeat_interleave(sizes),
    )
    return total + ngrams.bias


def fit_share(own: Float32, other: Float32, corpus: Corpus) -> float:
    """How much of `other` to add to the logits `own` (N, C) of labelled texts; never below 0.

    Logistic regression over the two, which have learnt other texts (stacking, Wolpert 1992), with
    a normal prior that keeps a few rows without errors from asking for weights without bound.
    """
    every, usual = np.arange(len(corpus)), np.array([1.0, 0.5])

    def loss(weights: Float64) -> float:
        logits = np.where(corpus.sayable, weights[0] * own + weights[1] * other, NEVER)
        likelihood = float(log_softmax(logits, axis=-1)[every, corpus.targets].sum())
        prior = float((((weights - usual) / PRIOR_SD) ** 2).sum() / 2)
        return (prior - likelihood) / len(corpus)

    weights = minimize(loss, usual, bounds=((0.01, None), (0.0, None))).x
    return float(weights[1] / weights[0])
