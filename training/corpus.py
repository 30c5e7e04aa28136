"""Data sets as numbers: what the loop reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.tokenizer import Tokenizer
from training.batching import Int, TokenStore
from training.datasets import DataSet

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Corpus:
    """N labelled texts of several data sets; rows of one set lie together."""

    store: TokenStore
    targets: Int  # (N,)
    sayable: Bool  # (N, C): the labels that the text's data set can say
    names: tuple[str, ...]
    members: Int  # (N,): index into names

    def __len__(self) -> int:
        return len(self.targets)


def encode_corpus(
    data_sets: Sequence[DataSet], split: str, labels: Sequence[str], tokenizer: Tokenizer
) -> Corpus:
    """The rows of one split ("train" or "dev") of all data sets, tokenized and numbered."""
    texts: list[str] = []
    targets: list[int] = []
    sayable: list[Bool] = []
    members: list[int] = []
    number = {label: index for index, label in enumerate(labels)}
    for index, data_set in enumerate(data_sets):
        rows = data_set.train if split == "train" else data_set.dev
        texts += rows.texts
        targets += [number[label] for label in rows.labels]
        says = np.array([label in data_set.labels for label in labels])
        sayable.append(np.broadcast_to(says, (len(rows), len(labels))))
        members += [index] * len(rows)
    return Corpus(
        store=TokenStore.of(tokenizer.encode_all(texts, threads=-1)),
        targets=np.array(targets, dtype=np.int64),
        sayable=np.concatenate(sayable),
        names=tuple(data_set.name for data_set in data_sets),
        members=np.array(members, dtype=np.int64),
    )
