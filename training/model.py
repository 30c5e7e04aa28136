"""The classifier: embedding -> encoder -> pooling -> head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.config import ModelConfig
from training.encoders import Encoder
from training.ngrams import NGrams
from training.pooling import Pool


class Classifier(nn.Module):
    """Token ids (B, T) to logits (B, C)."""

    def __init__(
        self, config: ModelConfig, vocab_size: int, classes: int, pad_id: int, unk_id: int
    ) -> None:
        super().__init__()
        self.config = config
        self.unk_id = unk_id
        self.embedding = nn.Embedding(vocab_size, config.embedding_size, padding_idx=pad_id)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.encoder = Encoder(config)
        self.pool = Pool(config.pooling, self.encoder.output_size, self.encoder.directions)
        self.head_dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(self.pool.output_size, classes)
        self.ngrams: NGrams | None = None
        """What is added to the logits, once both are fitted."""

    def forward(
        self, ids: Tensor, lengths: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """Logits (B, C) in fp32. Without `lengths` (B,) all texts are T long: the fast path.

        `noise` (B, T, E) is added to what the encoder reads.
        """
        if self.training:
            ids = drop_words(ids, self.config.word_dropout, self.unk_id)
        embedded = locked_dropout(
            self.embedding(ids), self.config.embedding_dropout, self.training
        )  # (B, T, E)
        if noise is not None:
            embedded = embedded + noise
        states = self.encoder(embedded, lengths)  # (B, T, D * H)
        pooled = self.head_dropout(self.pool(states, lengths))  # (B, P * D * H)
        logits: Tensor = self.head(pooled).float()
        return logits if self.ngrams is None else logits + self.ngrams(ids, lengths)


def drop_words(ids: Tensor, share: float, unk_id: int) -> Tensor:
    """Replace a random share of tokens by unk (Iyyer et al. 2015, word dropout)."""
    if not share:
        return ids
    return ids.masked_fill(torch.rand(ids.shape, device=ids.device) < share, unk_id)


def locked_dropout(embedded: Tensor, share: float, training: bool) -> Tensor:
    """Drop the same features at every step of a text (Gal & Ghahramani 2016): (B, T, E)."""
    if not training or not share:
        return embedded
    keep = torch.rand(embedded.shape[0], 1, embedded.shape[2], device=embedded.device) >= share
    return embedded * keep / (1 - share)
