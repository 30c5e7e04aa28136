"""Data sets as numbers: what the loop reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.engine import Float32
from service.tokenizer import Tokenizer
from training.batching import Int, TokenStore
from training.datasets import DataSet
from training.objectives import UNLABELLED, Lesson
from training.unlabelled import UnlabelledSet

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Corpus:
    """N texts of several data sets; rows of one set lie together, those without label last."""

    store: TokenStore
    targets: Int  # (N,); UNLABELLED for a text without label
    sayable: Bool  # (N, C): the labels that the text's data set can say
    names: tuple[str, ...]
    members: Int  # (N,): index into names
    taught: Float32 | None = None  # (N, C): a teacher's log-probabilities, -inf where it has none

    def __len__(self) -> int:
        return len(self.targets)

    def lesson(self, rows: Int, device: torch.device) -> Lesson:
        """What some rows (B,) teach."""

        def on_device(array: npt.NDArray[Any]) -> Tensor:
            return torch.from_numpy(array[rows]).to(device)

        taught = None if self.taught is None else on_device(self.taught)
        return Lesson(on_device(self.targets), on_device(self.sayable), taught)


def encode_corpus(
    data_sets: Sequence[DataSet],
    split: str,
    labels: Sequence[str],
    tokenizer: Tokenizer,
    unlabelled: Sequence[UnlabelledSet] = (),
) -> Corpus:
    """The rows of one split ("train" or "dev") of all data sets, tokenized and numbered.

    Behind them come the `unlabelled` texts, which can be of any label.
    """
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
    for index, unlabelled_set in enumerate(unlabelled, start=len(data_sets)):
        count = len(unlabelled_set.texts)
        texts += unlabelled_set.texts
        targets += [UNLABELLED] * count
        sayable.append(np.ones((count, len(labels)), dtype=np.bool_))
        members += [index] * count
    return Corpus(
        store=TokenStore.of(tokenizer.encode_all(texts, threads=-1)),
        targets=np.array(targets, dtype=np.int64),
        sayable=np.concatenate(sayable),
        names=(*(d.name for d in data_sets), *(each.source.file for each in unlabelled)),
        members=np.array(members, dtype=np.int64),
    )
