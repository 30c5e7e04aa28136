"""The linear baseline beside every figure: TF-IDF and logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from training.datasets import DataSet, Split
from training.evaluate import Answers, Classify, SetScores, score_set

STRENGTHS = (1.0, 4.0, 16.0)
"""Inverse regularisation, chosen on dev."""

UNSPACED = ("zh", "ja", "th")


def evaluate_baselines(data_sets: Sequence[DataSet], split: Split = "test") -> dict[str, SetScores]:
    """Scores on each set's rows in `split` of a regression fitted on that set's own train rows.

    A set without train rows has no baseline.
    """
    baseline = TfidfRegression(data_sets)
    return {
        data_set.name: score_set(data_set, baseline, split)
        for data_set in tqdm(data_sets, desc="TF-IDF baselines", unit="set")
        if len(data_set.split(split)) and any(len(d.train) for d in baseline.family(data_set))
    }


class TfidfRegression:
    """Fitted anew for each data set and choice of labels.

    Rows of sets that are `part_of` a set count as its own.
    """

    name = "tfidf"

    def __init__(self, data_sets: Sequence[DataSet]) -> None:
        self._data_sets = data_sets

    def family(self, data_set: DataSet) -> list[DataSet]:
        """The sets whose train rows teach this one."""
        return [d for d in self._data_sets if data_set.name in (d.name, d.source.part_of)]

    def ready(self, data_set: DataSet, labels: Sequence[str]) -> Classify | None:
        """Fit on the train rows with these labels, choosing the strength on dev.

        None where the train rows hold fewer than two of the labels.
        """
        # Only sets that tell all these labels apart teach them: a two-way row may be neutral.
        members = [d for d in self.family(data_set) if set(labels) <= set(d.labels)]
        train = [member.train.only(labels) for member in members]
        texts = [text for part in train for text in part.texts]
        targets = [labels.index(label) for part in train for label in part.labels]
        if len(set(targets)) < 2:
            return None
        dev = data_set.dev.only(labels)
        features = _features(data_set.source.language, rows=len(texts))
        vectors, dev_vectors = features.fit_transform(texts), features.transform(dev.texts or [""])
        dev_targets = [labels.index(label) for label in dev.labels]

        def dev_accuracy(regression: LogisticRegression) -> float:
            return float(regression.score(dev_vectors, dev_targets)) if dev_targets else 0.0

        regressions = [
            LogisticRegression(C=strength, max_iter=1000).fit(vectors, targets)
            for strength in STRENGTHS
        ]
        best = max(regressions, key=dev_accuracy)

        def classify(texts: Sequence[str]) -> Answers:
            found = np.zeros((len(texts), len(labels)))
            found[:, best.classes_] = best.predict_proba(features.transform(texts))
            return Answers.of(found)

        return classify


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
