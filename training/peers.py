"""What a bundle is compared with, on the same rows: lexicons, regressions, classifiers, bundles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from tqdm import tqdm

from service.bundle import MANIFEST_FILE
from service.model import open_model
from training.baseline import Regression, tfidf
from training.data_config import in_language
from training.datasets import TWO_WAY, DataSet, Split
from training.errors import ConfigError
from training.evaluate import Answered, Answers, Classify, Peer, Served, answer, views
from training.inference import one_thread
from training.lexicons import LEXICONS
from training.minilm import minilm
from training.teachers import Classifier, HuggingFaceClassifier, ask

CPU = torch.device("cpu")
HUGGING_FACE = "hf:"

REGRESSIONS: dict[str, Callable[[Sequence[DataSet]], Regression]] = {
    "tfidf": tfidf,
    "minilm": minilm,
}


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


class ClassifierPeer:
    """A classifier that was trained elsewhere; its labels count in any case."""

    def __init__(
        self,
        classifier: Classifier,
        limits: Callable[[], AbstractContextManager[None]] = nullcontext,
        language: str | None = None,
    ) -> None:
        """Within `limits` it answers texts of a language, or of any; where none is named, too."""
        self.name = classifier.name
        self._classifier, self._limits, self._language = classifier, limits, language
        self._column_of = {label.casefold(): i for i, label in enumerate(classifier.labels)}

    def ready(self, data_set: DataSet, labels: Sequence[str]) -> Classify | None:
        """None for texts of another language, and where it does not know one of the labels."""
        if not in_language(data_set.source.language, self._language):
            return None
        if not {label.casefold() for label in labels} <= self._column_of.keys():
            return None
        columns = [self._column_of[label.casefold()] for label in labels]

        def classify(texts: Sequence[str]) -> Answers:
            with self._limits():
                logits = np.concatenate(list(ask(self._classifier, texts)))
            return Answers.of(softmax(logits[:, columns], axis=1))

        return classify


def open_peers(names: Sequence[str], data_sets: Sequence[DataSet]) -> list[Peer]:
    """The peers of these names, answering on one thread each.

    `data_sets` are what a regression can be fitted on. Raises ConfigError for an unknown name, for
    a regression without train rows, for a classifier that cannot be loaded, and, naming the extra,
    for a package that is not installed; BundleError for a bundle that cannot be trusted.
    """
    return [_open(name, data_sets) for name in names]


def _open(name: str, data_sets: Sequence[DataSet]) -> Peer:
    if name in LEXICONS:
        return LEXICONS[name]()
    if name in REGRESSIONS:
        if not any(len(data_set.train) for data_set in data_sets):
            raise ConfigError(f"--against {name} needs train rows: a run file, or --train FILE")
        return REGRESSIONS[name](data_sets)
    if (Path(name) / MANIFEST_FILE).is_file():
        bundle = open_model(Path(name), threads=1)
        _check_labels(name, bundle.manifest.labels, data_sets)
        return Served(bundle, threads=1, name=name)
    if name.startswith(HUGGING_FACE):
        wanted_by = f"--against {name}"
        model, _, language = name.removeprefix(HUGGING_FACE).partition("@")
        classifier = HuggingFaceClassifier(model, wanted_by, CPU)
        _check_labels(name, classifier.labels, data_sets)
        return ClassifierPeer(classifier, one_thread, language or None)
    known = ", ".join((*LEXICONS, *REGRESSIONS))
    raise ConfigError(
        f"--against: unknown peer {name!r}; known are {known}, the folder of a bundle, and "
        f"{HUGGING_FACE}NAME or {HUGGING_FACE}NAME@LANGUAGE, a classifier of Hugging Face"
    )


def _check_labels(name: str, labels: Sequence[str], data_sets: Sequence[DataSet]) -> None:
    known = {label.casefold() for label in labels}
    if not any(len(known & {label.casefold() for label in d.labels}) > 1 for d in data_sets):
        asked = sorted({label for data_set in data_sets for label in data_set.labels})
        raise ConfigError(f"--against {name}: its labels {list(labels)} are not the rows' {asked}")


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
