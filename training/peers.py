"""What a bundle is compared with, on the same rows: lexicons, SnowNLP and regressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from service.postprocess import Float64
from training.baseline import Regression, tfidf
from training.datasets import TWO_WAY, DataSet, Split
from training.errors import ConfigError
from training.evaluate import Answered, Answers, Classify, Peer, answer, views
from training.extras import import_extra
from training.minilm import minilm

Polarity = Callable[[str], float]


@dataclass(frozen=True)
class PolarityPeer:
    """A package that gives a text one number in [-1, 1], negative to positive.

    Two-way, 0 and above is positive. Three-way, less than `positive_from` from 0 is
    neutral; without one the package knows no neutral.
    """

    name: str
    language: str
    polarity: Polarity
    positive_from: float | None = None

    def ready(self, data_set: DataSet, labels: Sequence[str]) -> Classify | None:
        """None for texts of another language, and for labels that the package does not know."""
        if data_set.source.language not in (None, self.language):
            return None
        if set(labels) == set(TWO_WAY):
            band = 0.0
        elif set(labels) == {*TWO_WAY, "neutral"} and self.positive_from is not None:
            band = self.positive_from
        else:
            return None

        def classify(texts: Sequence[str]) -> Answers:
            found = np.array([self.polarity(text) for text in texts])
            return Answers(np.array([labels.index(name) for name in _named(found, band)]))

        return classify


@dataclass(frozen=True)
class SideBySide:
    """One data set and one choice of labels, answered by each peer that can."""

    name: str
    labels: tuple[str, ...]
    answered: dict[str, Answered]

    @property
    def rows(self) -> int:
        return len(next(iter(self.answered.values())).rows)

    @property
    def title(self) -> str:
        return f"{self.name}, {self.ways}"

    @property
    def ways(self) -> str:
        """How the choice is called."""
        return "two-way" if set(self.labels) == set(TWO_WAY) else f"{len(self.labels)}-way"


def open_peers(names: Sequence[str], data_sets: Sequence[DataSet]) -> list[Peer]:
    """The peers of these names; `data_sets` are what a regression can be fitted on.

    Raises ConfigError for an unknown name, for a regression without train rows, and, naming
    the extra, for a package that is not installed.
    """
    peers: list[Peer] = []
    for name in names:
        if name in _REGRESSIONS:
            if not any(len(data_set.train) for data_set in data_sets):
                raise ConfigError(f"--against {name} needs train rows: a run file, or --train FILE")
            peers.append(_REGRESSIONS[name](data_sets))
        elif name in _PACKAGES:
            peers.append(_PACKAGES[name]())
        else:
            known = ", ".join((*_PACKAGES, *_REGRESSIONS))
            raise ConfigError(f"--against: unknown peer {name!r}; known are {known}")
    return peers


def answer_all(
    peers: Sequence[Peer], data_sets: Sequence[DataSet], split: Split
) -> list[SideBySide]:
    """Every peer's answers on the rows of `split`: per data set two-way, then over all labels.

    Raises ConfigError for two peers of one name.
    """
    names = [peer.name for peer in peers]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"--against: two peers are named {repeated[0]!r}, the bundle included")
    answered_sets = []
    for data_set in tqdm(data_sets, desc="evaluating", unit="set"):
        for labels in views(data_set):
            answered = {
                peer.name: found
                for peer in peers
                if labels and (found := answer(data_set, labels, peer, split))
            }
            if labels and answered:
                answered_sets.append(SideBySide(data_set.name, tuple(labels), answered))
    return answered_sets


def _named(polarities: Float64, band: float) -> list[str]:
    """Labels of polarities; those within the band are neutral, and with no band 0 is positive."""
    positive, negative = polarities >= band, polarities <= -band
    named: list[str] = np.select([positive, negative], ["positive", "negative"], "neutral").tolist()
    return named


def _vader() -> PolarityPeer:
    """The compound score, with the thresholds of its README: neutral between -0.05 and 0.05."""
    vader = import_extra("vaderSentiment.vaderSentiment", "peers", "--against vader")
    analyzer = vader.SentimentIntensityAnalyzer()

    def polarity(text: str) -> float:
        return float(analyzer.polarity_scores(text)["compound"])

    return PolarityPeer("vader", "en", polarity, positive_from=0.05)


def _textblob() -> PolarityPeer:
    """TextBlob's own analyzer. It documents no threshold: 0 alone is neutral here."""
    blob = import_extra("textblob", "peers", "--against textblob").TextBlob

    def polarity(text: str) -> float:
        return float(blob(text).sentiment.polarity)

    return PolarityPeer("textblob", "en", polarity, positive_from=float(np.finfo(float).tiny))


def _snownlp() -> PolarityPeer:
    """The probability of positive, turned into [-1, 1]; it knows no neutral.

    It was trained on shop and hotel reviews, of which some are in public test sets too.
    """
    snow = import_extra("snownlp", "peers", "--against snownlp").SnowNLP

    def polarity(text: str) -> float:
        return 2 * float(snow(text).sentiments) - 1

    return PolarityPeer("snownlp", "zh", polarity)


_PACKAGES: dict[str, Callable[[], PolarityPeer]] = {
    "vader": _vader,
    "textblob": _textblob,
    "snownlp": _snownlp,
}

_REGRESSIONS: dict[str, Callable[[Sequence[DataSet]], Regression]] = {
    "tfidf": tfidf,
    "minilm": minilm,
}
