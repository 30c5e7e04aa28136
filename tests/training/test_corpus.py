from __future__ import annotations

import numpy as np
import pytest

from service.tokenizer import Tokenizer
from training.corpus import encode_corpus
from training.data_config import DataSource, TextSource
from training.datasets import DataSet
from training.objectives import UNLABELLED
from training.rows import Rows
from training.unlabelled import UnlabelledSet

LABELS = ("negative", "neutral", "positive")
TEXTS = ("What a lovely film!", "味道很差。", "It arrived on Tuesday.", "再也不来了")


def data_set(name: str, labels: tuple[str, ...], train: Rows, dev: Rows) -> DataSet:
    source = DataSource(name=name, train="train.csv")
    return DataSet(source, labels, train, dev, Rows(), {}, {})


@pytest.fixture
def sets() -> list[DataSet]:
    polar = ("negative", "positive")
    return [
        data_set("two", polar, Rows(TEXTS[:2], ("positive", "negative")), Rows()),
        data_set("three", LABELS, Rows(TEXTS[2:3], ("neutral",)), Rows(TEXTS[3:], ("negative",))),
    ]


def test_rows_are_numbered_by_the_labels_of_the_run(
    sets: list[DataSet], tokenizer_model: bytes
) -> None:
    corpus = encode_corpus(sets, "train", LABELS, Tokenizer(tokenizer_model))
    assert corpus.targets.tolist() == [2, 0, 1]
    assert [corpus.names[member] for member in corpus.members] == ["two", "two", "three"]


def test_a_row_says_what_its_set_can_say(sets: list[DataSet], tokenizer_model: bytes) -> None:
    corpus = encode_corpus(sets, "train", LABELS, Tokenizer(tokenizer_model))
    assert corpus.sayable.tolist() == [[True, False, True], [True, False, True], [True] * 3]


def test_training_reads_the_tokens_that_serving_reads(
    sets: list[DataSet], tokenizer_model: bytes
) -> None:
    tokenizer = Tokenizer(tokenizer_model)
    corpus = encode_corpus(sets, "train", LABELS, tokenizer)
    for index, text in enumerate(TEXTS[:3]):
        assert corpus.store[index].tolist() == tokenizer.encode(text)


def test_dev_rows_are_the_dev_rows(sets: list[DataSet], tokenizer_model: bytes) -> None:
    corpus = encode_corpus(sets, "dev", LABELS, Tokenizer(tokenizer_model))
    assert len(corpus) == 1
    assert corpus.store.flat.dtype == np.uint16
    assert corpus.names[corpus.members[0]] == "three"


def test_texts_without_label_come_last_and_may_be_anything(
    sets: list[DataSet], tokenizer_model: bytes
) -> None:
    tokenizer = Tokenizer(tokenizer_model)
    texts = UnlabelledSet(TextSource("more.csv"), TEXTS[3:], {}, "", TEXTS[3:])
    corpus = encode_corpus(sets, "train", LABELS, tokenizer, [texts])
    assert corpus.targets.tolist() == [2, 0, 1, UNLABELLED]
    assert corpus.sayable[3].tolist() == [True] * 3
    assert corpus.store[3].tolist() == tokenizer.encode(TEXTS[3])
    assert corpus.names[corpus.members[3]] == "more.csv"
