"""Pretraining: a language model fitted to texts alone, which a classifier can start from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from service.tokenizer import Tokenizer
from training.batching import Int, TokenStore, collate, cropped_lengths, exact_length_batches
from training.config import ModelConfig, PretrainingConfig
from training.datasets import DataSet
from training.distributed import World
from training.errors import DataError
from training.language_model import LanguageModel, candidate_shares
from training.loop import Group, Loop
from training.plan import Plan
from training.starting import SHAPE
from training.unlabelled import UnlabelledSet, train_texts

JUDGED_TOKENS = 2048
"""Of a batch: the whole softmax takes 4 bytes a piece and token."""


class Pretrainer(Loop[LanguageModel]):
    """Fits a language model, keeping the averaged weights of the lowest perplexity."""

    table = "pretraining"
    remedy = "`pretrain --fresh` discards it; or pass another --output"

    def __init__(
        self,
        config: PretrainingConfig,
        network: ModelConfig,
        train: TokenStore,
        held_out: TokenStore,
        tokenizer: bytes,
        folder: Path,
        world: World,
        seed: int,
        fingerprint: str,
    ) -> None:
        self._network, self._tokenizer, self._held_out = network, tokenizer, held_out
        pieces = Tokenizer(tokenizer)
        counts = np.bincount(train.flat, minlength=pieces.vocab_size)
        torch.manual_seed(seed)
        model = LanguageModel(
            network,
            candidate_shares(torch.from_numpy(counts)),
            pieces.pad_id,
            config.candidates,
            config.dropout,
        )
        plan = Plan(config, [train] * config.reads, seed, world.size)
        groups = [Group(list(model.parameters()), config.learning_rate)]
        super().__init__(config, model, plan, groups, folder, world, seed, fingerprint)

    def _backward(self, ids: Tensor, rows: Int) -> Tensor:
        with self._autocast():
            loss: Tensor = self._parallel(ids).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _dev_scores(self, model: LanguageModel) -> dict[str, float]:
        """Log-likelihood of a held-out piece, and the perplexity of each direction."""
        store, told = self._held_out, 0
        total = torch.zeros(len(model.to_embedding))
        lengths = cropped_lengths(store.lengths, self._config.max_tokens)
        model.eval()
        with torch.inference_mode(), self._autocast():
            for batch in exact_length_batches(lengths, JUDGED_TOKENS, JUDGED_TOKENS):
                ids = torch.from_numpy(collate(store, batch)).to(self._world.device)
                pieces = batch.tokens - len(batch.rows)
                total += model(ids).cpu() * pieces
                told += pieces
        losses = (total / told).tolist()
        perplexities = {
            f"{direction}_perplexity": math.exp(loss)
            for direction, loss in zip(self._network.directions, losses, strict=True)
        }
        return {"log_likelihood": -float(np.mean(losses)), **perplexities}

    def _notes(self) -> Mapping[str, Any]:
        network = {field: asdict(self._network)[field] for field in SHAPE}
        return {"network": network, "tokenizer": torch.tensor(list(self._tokenizer)).byte()}


def read_texts(
    data_sets: Sequence[DataSet],
    unlabelled: Sequence[UnlabelledSet],
    tokenizer: Tokenizer,
    held_out_share: float,
    seed: int,
) -> tuple[TokenStore, TokenStore]:
    """Train texts and unlabelled ones as tokens, each once: those to learn from, those held out.

    No dev or test text of any set is among them, and none in which there is no next piece.
    Raises DataError when fewer than two texts are left.
    """
    texts = dict.fromkeys(train_texts(data_sets, unlabelled))
    for data_set in data_sets:
        for text in (*data_set.dev.texts, *data_set.test.texts):
            texts.pop(text, None)
    tokens = [ids for ids in tokenizer.encode_all(list(texts), threads=-1) if len(ids) > 1]
    if len(tokens) < 2:
        raise DataError(f"pretraining: {len(tokens)} texts of two tokens or more; it needs two")
    Random(f"pretraining/{seed}").shuffle(tokens)
    cut = max(1, round(len(tokens) * held_out_share))
    return TokenStore.of(tokens[cut:]), TokenStore.of(tokens[:cut])
