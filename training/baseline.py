"""The linear baseline beside every figure: TF-IDF and logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from training.batching import Int
from training.datasets import DataSet, Rows, Split
from training.evaluate import SetScores, score_set

STRENGTHS = (1.0, 4.0, 16.0)
"""Inverse regularisation, chosen on dev."""

UNSPACED = ("zh", "ja", "th")


def evaluate_baselines(data_sets: Sequence[DataSet], split: Split = "test") -> dict[str, SetScores]:
    """Scores on each set's rows in `split` of a regression fitted on that set's own train rows.

    Rows of sets that are `part_of` a set count as its own. A set without train rows has
    no baseline.
    """
    scores: dict[str, SetScores] = {}
    for data_set in tqdm(data_sets, desc="TF-IDF baselines", unit="set"):
        family = [d for d in data_sets if data_set.name in (d.name, d.source.part_of)]
        if len(data_set.split(split)) and any(len(member.train) for member in family):
            baseline = _Baseline(data_set, family)
            scores[data_set.name] = score_set(data_set, baseline.predict, split)
    return scores


class _Baseline:
    def __init__(self, data_set: DataSet, family: Sequence[DataSet]) -> None:
        self._data_set, self._family = data_set, family

    def predict(self, rows: Rows, among: Sequence[str]) -> Int | None:
        """Fit on the train rows with these labels, choose the strength on dev, predict.

        None where the train rows hold fewer than two of the labels.
        """
        # Only sets that tell all these labels apart teach them: a two-way row may be neutral.
        members = [member for member in self._family if set(among) <= set(member.labels)]
        train = [member.train.only(among) for member in members]
        texts = [text for part in train for text in part.texts]
        targets = [among.index(label) for part in train for label in part.labels]
        if len(set(targets)) < 2:
            return None
        dev = self._data_set.dev.only(among)
        features = _features(self._data_set.source.language, rows=len(texts))
        vectors, dev_vectors = features.fit_transform(texts), features.transform(dev.texts or [""])
        dev_targets = [among.index(label) for label in dev.labels]

        def dev_accuracy(regression: LogisticRegression) -> float:
            return float(regression.score(dev_vectors, dev_targets)) if dev_targets else 0.0

        regressions = [
            LogisticRegression(C=strength, max_iter=1000).fit(vectors, targets)
            for strength in STRENGTHS
        ]
        best = max(regressions, key=dev_accuracy)
        return np.asarray(best.predict(features.transform(rows.texts)))


def _features(language: str | None, rows: int) -> TfidfVectorizer:
    """Single words and pairs, or runs of up to three characters where words are not spaced."""
    unspaced = language in UNSPACED
    return TfidfVectorizer(
        analyzer="char" if unspaced else "word",
        ngram_range=(1, 3) if unspaced else (1, 2),
        token_pattern=None if unspaced else r"\w+|[^\w\s]",
        min_df=2 if rows > 1000 else 1,
        sublinear_tf=True,
        dtype=np.float32,
    )
