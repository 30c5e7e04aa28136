"""Logistic regressions on each set's own train rows; that on TF-IDF stands beside every figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from training.datasets import DataSet, Split
from training.evaluate import Answers, Classify, SetScores, score_set
from training.rows import Rows

STRENGTHS = (1.0, 4.0, 16.0)
"""Inverse regularisation, chosen on dev."""

UNSPACED = ("zh", "ja", "th")


@dataclass(frozen=True)
class Vectors:
    """Features of N texts, (N, D), dense or sparse: those to fit on, and what makes more."""

    train: Any
    dev: Any
    of: Callable[[Sequence[str]], Any]


Featurize = Callable[[str | None, Sequence[str], Sequence[str]], Vectors]
"""Vectors of a language's train and dev texts."""


def evaluate_baselines(data_sets: Sequence[DataSet], split: Split = "test") -> dict[str, SetScores]:
    """Scores on each set's rows in `split` of a regression fitted on that set's own train rows.

    A set without train rows has no baseline.
    """
    baseline = tfidf(data_sets)
    return {
        data_set.name: score_set(data_set, baseline, split)
        for data_set in tqdm(data_sets, desc="TF-IDF baselines", unit="set")
        if len(data_set.split(split)) and any(len(d.train) for d in baseline.family(data_set))
    }


@dataclass(frozen=True)
class Regression:
    """Logistic regression on features, fitted anew for each data set and choice of labels.

    Rows of sets that are `part_of` a set count as its own.
    """

    name: str
    featurize: Featurize
    data_sets: Sequence[DataSet]
    """Where train rows come from."""
    language: str | None = None
    """Answers texts of no other, where it has one."""
    max_train_rows: int | None = None
    """Fitted on so many, drawn at random, where there are more."""

    def family(self, data_set: DataSet) -> list[DataSet]:
        """The sets whose train rows teach this one."""
        return [d for d in self.data_sets if data_set.name in (d.name, d.source.part_of)]

    def ready(self, data_set: DataSet, labels: Sequence[str]) -> Classify | None:
        """Fit on the train rows with these labels, choosing the strength on dev.

        None for texts of another language, and where the train rows hold fewer than two of
        the labels.
        """
        language = data_set.source.language
        train, dev = self._train_rows(data_set, labels), data_set.dev.only(labels)
        if (self.language and language not in (None, self.language)) or len({*train.labels}) < 2:
            return None
        vectors = self.featurize(language, train.texts, dev.texts or ("",))
        targets, dev_targets = _targets(train, labels), _targets(dev, labels)

        def dev_accuracy(regression: LogisticRegression) -> float:
            return float(regression.score(vectors.dev, dev_targets)) if dev_targets else 0.0

        regressions = [
            LogisticRegression(C=strength, max_iter=1000).fit(vectors.train, targets)
            for strength in STRENGTHS
        ]
        best = max(regressions, key=dev_accuracy)

        def classify(texts: Sequence[str]) -> Answers:
            found = np.zeros((len(texts), len(labels)))
            found[:, best.classes_] = best.predict_proba(vectors.of(texts))
            return Answers.of(found)

        return classify

    def _train_rows(self, data_set: DataSet, labels: Sequence[str]) -> Rows:
        # Only sets that tell all these labels apart teach them: a two-way row may be neutral.
        members = [d for d in self.family(data_set) if set(labels) <= set(d.labels)]
        train = [member.train.only(labels) for member in members]
        rows = Rows(
            tuple(text for part in train for text in part.texts),
            tuple(label for part in train for label in part.labels),
        )
        return rows if self.max_train_rows is None else rows.sample(self.max_train_rows)


def tfidf(data_sets: Sequence[DataSet]) -> Regression:
    """The linear baseline."""
    return Regression("tfidf", _tfidf_vectors, data_sets)


def _targets(rows: Rows, labels: Sequence[str]) -> list[int]:
    return [labels.index(label) for label in rows.labels]


def _tfidf_vectors(language: str | None, train: Sequence[str], dev: Sequence[str]) -> Vectors:
    """Single words and pairs, or runs of up to three characters where words are not spaced."""
    unspaced = language in UNSPACED
    vectorizer = TfidfVectorizer(
        analyzer="char" if unspaced else "word",
        ngram_range=(1, 3) if unspaced else (1, 2),
        token_pattern=None if unspaced else r"\w+|[^\w\s]",
        min_df=2 if len(train) > 1000 else 1,
        sublinear_tf=True,
        dtype=np.float32,
    )
    return Vectors(vectorizer.fit_transform(train), vectorizer.transform(dev), vectorizer.transform)
