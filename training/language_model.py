"""A language model over the classifier's embedding and encoder (Dai & Le 2015)."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import ModelConfig
from training.encoders import Encoder
from training.model import locked_dropout
from training.pooling import NEVER

_UPPER_INPUT = re.compile(r"weight_ih_l[1-9]\d*(_reverse)?")


class LanguageModel(nn.Module):
    """Token ids (B, T) to the loss of each direction (D,), in nats a piece.

    The forward half of a state tells the piece after it, the backward half the one before:
    neither has read what it tells. Both share the embedding, which is the softmax too (Press
    & Wolf 2017). In training the softmax is sampled, otherwise it is whole.

    In upper layers a direction does not read the other one, which knows what it is to tell:
    those weights are zero. So two stacks are trained side by side, and the classifier, where
    they are free, starts with exactly these two.
    """

    shares: Tensor

    def __init__(
        self,
        config: ModelConfig,
        shares: Tensor,
        pad_id: int,
        candidates: int,
        dropout: float,
    ) -> None:
        """`shares` (V,): how often each piece is drawn as a candidate."""
        super().__init__()
        self.embedding = nn.Embedding(len(shares), config.embedding_size, padding_idx=pad_id)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.encoder = Encoder(config)
        if config.bidirectional:
            _hold_apart(self.encoder.rnn)
        size = self.encoder.output_size // len(config.directions)
        self.to_embedding = nn.ModuleList(
            nn.Linear(size, config.embedding_size) for _ in config.directions
        )
        self.bias = nn.Parameter(torch.zeros(len(shares)))
        self.register_buffer("shares", shares, persistent=False)
        self._candidates, self._dropout = candidates, dropout

    def forward(self, ids: Tensor) -> Tensor:
        embedded = locked_dropout(self.embedding(ids), self._dropout, self.training)
        states = locked_dropout(self.encoder(embedded), self._dropout, self.training)
        halves = states.chunk(len(self.to_embedding), dim=-1)  # D x (B, T, H)
        knows = {"forward": slice(None, -1), "backward": slice(1, None)}
        told = {"forward": ids[:, 1:], "backward": ids[:, :-1]}
        drawn = self._draw() if self.training and self._candidates else None
        return torch.stack(
            [
                self._loss(linear(half[:, knows[way]]).flatten(0, 1), told[way].flatten(), drawn)
                for way, linear, half in zip(
                    self.encoder.directions, self.to_embedding, halves, strict=True
                )
            ]
        )

    def _draw(self) -> Tensor:
        return torch.multinomial(self.shares, self._candidates, replacement=True)  # (K,)

    def _loss(self, queries: Tensor, targets: Tensor, drawn: Tensor | None) -> Tensor:
        weight = self.embedding.weight
        if drawn is None:
            logits = functional.linear(queries, weight, self.bias)  # (N, V)
            return functional.cross_entropy(logits.float(), targets)
        counts = self._candidates * self.shares[drawn]
        return sampled_loss(queries, targets, weight, self.bias, drawn, counts)


def sampled_loss(
    queries: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, drawn: Tensor, counts: Tensor
) -> Tensor:
    """Mean cross-entropy of targets (N,) by a softmax whose denominator is estimated.

    Queries (N, E), weight (V, E), bias (V,). Every drawn class (K,) stands for as many as it
    was expected to be drawn less often: its term is divided by that count (K,), so that the
    sum is right in the mean (importance sampling, Bengio & Senécal 2008; Jean et al. 2015).
    The target's own term is exact.
    """
    right = (queries * functional.embedding(targets, weight)).sum(-1) + bias[targets]  # (N,)
    others = functional.linear(queries, functional.embedding(drawn, weight), bias[drawn])
    others = others.float() - counts.log()  # (N, K)
    others = others.masked_fill(drawn == targets[:, None], NEVER)
    total = torch.cat([right[:, None].float(), others], dim=-1).logsumexp(dim=-1)
    return (total - right).mean()


def candidate_shares(counts: Tensor) -> Tensor:
    """Shares (V,) to draw candidates by, from how often each piece stands in the texts.

    To the power of 0.75 (Mikolov et al. 2013); a piece that never stands there counts once.
    """
    raised = (counts.float() + 1) ** 0.75
    return raised / raised.sum()


def _hold_apart(rnn: nn.RNNBase) -> None:
    """Set to zero, and keep there, what one direction reads of the other."""
    for name, weight in rnn.named_parameters():
        if not (found := _UPPER_INPUT.fullmatch(name)):
            continue
        half = weight.shape[1] // 2
        other = slice(None, half) if found[1] else slice(half, None)

        def without_other(gradient: Tensor, other: slice = other) -> Tensor:
            gradient = gradient.clone()
            gradient[:, other] = 0
            return gradient

        nn.init.zeros_(weight.data[:, other])
        weight.register_hook(without_other)  # type: ignore[no-untyped-call]
