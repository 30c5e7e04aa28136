"""Soft labels: what teachers say of texts, or networks of our own that have not seen them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from service.engine import Float32
from service.postprocess import Float64
from training.answer_book import AnswerBook
from training.batching import Int
from training.datasets import DataSet
from training.errors import ConfigError
from training.metrics import Bool
from training.teachers import Teacher


def check_taught(
    labels: Sequence[str], data_sets: Sequence[DataSet], teachers: Sequence[Teacher]
) -> None:
    """Raises ConfigError for a label that neither a train row nor a teacher says."""
    in_rows = {label for data_set in data_sets for label in data_set.train.labels}
    for index, label in enumerate(labels):
        if label not in in_rows and not any(teacher.says[index] for teacher in teachers):
            raise ConfigError(f"labels: neither a train row nor a teacher says {label!r}")


def ask(
    teachers: Sequence[Teacher],
    texts: Sequence[str],
    languages: Sequence[str | None],
    wanted: Bool,
    folder: Path,
) -> Float32:
    """Log-probabilities (N, C) of texts, averaged over the teachers that answer for them.

    `wanted` (N,) are the texts to ask about. Teachers that say different labels are averaged
    given the labels that all of them say; -inf for any other, and for a text not asked about.
    What each says is kept in `folder`, and not asked again.
    Raises ConfigError where the teachers of a text share fewer than two labels, and for a
    teacher without a text to answer.
    """
    asked: list[Int] = []
    for teacher in teachers:
        answers = map(teacher.answers, texts, languages)
        asked.append(np.flatnonzero(wanted & np.fromiter(answers, np.bool_, len(texts))))
    said = np.zeros((len(texts), len(teachers[0].says)), dtype=np.bool_)
    said[np.concatenate(asked)] = True
    for teacher, rows in zip(teachers, asked, strict=True):
        if not len(rows):
            raise ConfigError(
                f"teacher {teacher.name}: no text is in its language and of its min_characters "
                "to max_characters"
            )
        said[rows] &= teacher.says
        if (said[rows].sum(axis=1) < 2).any():
            raise ConfigError(
                f"teacher {teacher.name}: shares fewer than two labels with the others"
            )
    return average(
        (
            (rows, AnswerBook(teacher, folder).scores([texts[row] for row in rows]), teacher.weight)
            for teacher, rows in zip(teachers, asked, strict=True)
        ),
        said,
    )


def average(answers: Iterable[tuple[Int, Float32 | Float64, float]], said: Bool) -> Float32:
    """Log of the mean probability (N, C) of each label, given that it is one of those `said`.

    `answers` are rows (M,), log-probabilities (M, C) for them, up to a constant per row, and
    their weight. -inf for labels that are not said, and rows that nobody answers.
    """
    total, weights = np.full(said.shape, -np.inf), np.zeros((len(said), 1))
    for rows, scores, weight in answers:
        given = log_softmax(np.where(said[rows], scores, -np.inf), axis=1)
        total[rows] = np.logaddexp(total[rows], given + np.log(weight))
        weights[rows] += weight
    answered = np.where(weights > 0, weights, 1.0)
    mean: Float32 = (total - np.log(answered)).astype(np.float32)
    return mean


def folds_of(texts: Sequence[str], folds: int, seed: int) -> Int:
    """The fold (N,) that each text lies in: one and the same for a text in several sets."""
    found = (zlib.crc32(f"{seed}/{text}".encode()) % folds for text in texts)
    return np.fromiter(found, dtype=np.int64, count=len(texts))


def without_fold(data_sets: Sequence[DataSet], number: int, folds: int, seed: int) -> list[DataSet]:
    """The data sets without the train rows of one fold, told apart from the whole by a hash."""
    return [
        replace(
            each,
            train=each.train.take(
                np.flatnonzero(folds_of(each.train.texts, folds, seed) != number).tolist()
            ),
            hashes={**each.hashes, "without fold": f"{number} of {folds}"},
        )
        for each in data_sets
    ]
