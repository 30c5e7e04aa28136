"""Packages that know sentiment without training: VADER, TextBlob and SnowNLP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from service.postprocess import Float64
from training.data_config import in_language
from training.datasets import TWO_WAY, DataSet
from training.evaluate import Answers, Classify
from training.extras import import_extra

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
        if not in_language(data_set.source.language, self.language):
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


def _named(polarities: Float64, band: float) -> list[str]:
    """Labels of polarities; those within the band are neutral, and with no band 0 is positive."""
    positive, negative = polarities >= band, polarities <= -band
    named: list[str] = np.select([positive, negative], ["positive", "negative"], "neutral").tolist()
    return named


def vader() -> PolarityPeer:
    """The compound score, with the thresholds of its README: neutral between -0.05 and 0.05."""
    vader = import_extra("vaderSentiment.vaderSentiment", "peers", "--against vader")
    analyzer = vader.SentimentIntensityAnalyzer()

    def polarity(text: str) -> float:
        return float(analyzer.polarity_scores(text)["compound"])

    return PolarityPeer("vader", "en", polarity, positive_from=0.05)


def textblob() -> PolarityPeer:
    """TextBlob's own analyzer. It documents no threshold: 0 alone is neutral here."""
    blob = import_extra("textblob", "peers", "--against textblob").TextBlob

    def polarity(text: str) -> float:
        return float(blob(text).sentiment.polarity)

    return PolarityPeer("textblob", "en", polarity, positive_from=float(np.finfo(float).tiny))


def snownlp() -> PolarityPeer:
    """The probability of positive, turned into [-1, 1]; it knows no neutral.

    It was trained on shop and hotel reviews, of which some are in public test sets too.
    """
    snow = import_extra("snownlp", "peers", "--against snownlp").SnowNLP

    def polarity(text: str) -> float:
        return 2 * float(snow(text).sentiments) - 1

    return PolarityPeer("snownlp", "zh", polarity)


LEXICONS: dict[str, Callable[[], PolarityPeer]] = {
    "vader": vader,
    "textblob": textblob,
    "snownlp": snownlp,
}
