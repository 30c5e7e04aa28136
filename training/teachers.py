"""Who a network can learn from: bundles, and sequence classifiers of Hugging Face transformers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from scipy.special import logsumexp
from tqdm import tqdm

from service.bundle import MANIFEST_FILE, sha256
from service.engine import Float32
from service.model import open_model
from service.postprocess import Float64
from training.batching import Int
from training.data_config import in_language
from training.distillation_config import LONGEST, TeacherConfig
from training.errors import ConfigError
from training.evaluate import logits_of
from training.extras import import_extra
from training.metrics import Bool

TEXTS_A_CALL = 2048
TEXTS_A_BATCH = 32


class Classifier(Protocol):
    """What knows labels of its own and gives logits for them."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def identity(self) -> str:
        """Changes with its weights."""

    def logits(self, texts: Sequence[str]) -> Float64:
        """Logits (N, L) over its own labels, calibrated where it can be."""


class Teacher:
    """A classifier that speaks the labels of a run.

    Raises ConfigError for a label of it that maps to none of the run's, and where it says
    fewer than two of them.
    """

    def __init__(self, classifier: Classifier, config: TeacherConfig, labels: Sequence[str]):
        self.name, self.weight = classifier.name, config.weight
        self._classifier, self._config = classifier, config
        self._column_of = _columns(classifier, config, labels)
        self.says: Bool = np.isin(np.arange(len(labels)), self._column_of)
        """(C,), True for the labels of the run that it knows."""
        self.key = sha256(repr((classifier.identity, self._column_of.tolist())).encode())
        """Changes with what it would say."""
        asked = (config.language, config.min_characters, config.max_characters)
        self.identity = [self.key, *asked, config.weight]
        """Changes with that, and with the part it has in what is taught."""

    def answers(self, text: str, language: str | None) -> bool:
        """Whether it is asked about a text in a language, None where that is not named."""
        config = self._config
        short = config.max_characters is None or len(text) <= config.max_characters
        long = len(text) >= config.min_characters
        return short and long and in_language(language, config.language)

    def scores(self, texts: Sequence[str]) -> Float64:
        """Log-probabilities (N, C), up to a constant per text; -inf for what it cannot say."""
        return np.concatenate([np.empty((0, len(self.says))), *self.windows(texts)])

    def windows(self, texts: Sequence[str]) -> Iterator[Float64]:
        """The same, some texts at a time."""
        for logits in ask(self._classifier, texts):
            scores = np.full((len(logits), len(self.says)), -np.inf)
            for column in np.flatnonzero(self.says):
                same = logits[:, self._column_of == column]
                scores[:, column] = logsumexp(same, axis=1)
            yield scores


def ask(classifier: Classifier, texts: Sequence[str]) -> Iterator[Float64]:
    """Its logits (N, L), some texts at a time, behind a progress bar."""
    bar = tqdm(total=len(texts), desc=f"asking {classifier.name}", unit="text", mininterval=0.5)
    with bar:
        for start in range(0, len(texts), TEXTS_A_CALL):
            window = texts[start : start + TEXTS_A_CALL]
            yield classifier.logits(window)
            bar.update(len(window))


def open_teachers(
    configs: Sequence[TeacherConfig], labels: Sequence[str], device: torch.device
) -> list[Teacher]:
    """The teachers of a run that has these labels.

    Raises BundleError for a bundle that cannot be trusted, and ConfigError for a model that
    cannot be loaded or is no trained classifier, for labels that do not fit, and, naming the
    extra, where transformers is not installed.
    """
    return [Teacher(_open(config, device), config, labels) for config in configs]


def _open(config: TeacherConfig, device: torch.device) -> Classifier:
    if config.bundle is not None:
        return _Bundle(Path(config.bundle))
    name = str(config.hugging_face)
    return HuggingFaceClassifier(name, f"teacher {name}", device, config.max_tokens or LONGEST)


def _columns(classifier: Classifier, config: TeacherConfig, labels: Sequence[str]) -> Int:
    """The index (L,) of the run's label that each label of a classifier means; -1 if left out."""
    known = {label.casefold(): index for index, label in enumerate(labels)}
    unknown = {*config.rename_labels, *config.leave_out} - set(classifier.labels)
    if unknown:
        raise ConfigError(
            f"teacher {classifier.name}: has no label {min(unknown)!r}, but "
            f"{list(classifier.labels)}"
        )
    columns: list[int] = []
    for label in classifier.labels:
        meant = config.rename_labels.get(label, label)
        if label in config.leave_out:
            columns.append(-1)
        elif meant.casefold() in known:
            columns.append(known[meant.casefold()])
        else:
            raise ConfigError(
                f"teacher {classifier.name}: its label {meant!r} is none of the run's "
                f"{list(labels)}; say with rename_labels which it is, or leave_out"
            )
    if len({*columns} - {-1}) < 2:
        raise ConfigError(f"teacher {classifier.name}: says fewer than two of {list(labels)}")
    return np.array(columns, dtype=np.int64)


class _Bundle:
    """A bundle, answering with the calibration of its manifest."""

    def __init__(self, folder: Path) -> None:
        self._model = open_model(folder, threads=os.cpu_count() or 1)
        self.name = str(folder)
        self.labels = self._model.manifest.labels
        self.identity = sha256((folder / MANIFEST_FILE).read_bytes())  # it holds all hashes

    def logits(self, texts: Sequence[str]) -> Float64:
        logits = logits_of(self._model, texts).astype(np.float64)
        calibrated: Float64 = logits / self._model.manifest.temperature
        return calibrated


class HuggingFaceClassifier:
    """A sequence classifier of transformers, from the hub or a folder.

    Of a text it reads `max_tokens`, or as many as its tokenizer allows; which end of a longer one
    is left out, its tokenizer says. Raises ConfigError, saying who wanted it, where it cannot be
    loaded or was never trained.
    """

    def __init__(
        self, name: str, wanted_by: str, device: torch.device, max_tokens: int = LONGEST
    ) -> None:
        self.name, self._device = name, device
        transformers = import_extra("transformers", "teachers", wanted_by)
        self._tokenizer, (model, report) = from_hub(
            transformers, name, wanted_by, output_loading_info=True
        )
        if missing := sorted(report["missing_keys"]):
            raise ConfigError(f"{wanted_by}: is no trained classifier, it lacks {missing[0]}")
        self._model = model.eval().to(device)
        names: Mapping[int, str] = model.config.id2label
        self.labels = [names[index] for index in range(len(names))]
        self._max_tokens = min(self._tokenizer.model_max_length, max_tokens)

    @cached_property
    def identity(self) -> str:
        weights = _digest(self._model, self._tokenizer)
        return f"{weights} {self._max_tokens} {self._tokenizer.truncation_side}"

    def logits(self, texts: Sequence[str]) -> Float64:
        order = np.argsort([len(text) for text in texts], kind="stable")
        logits = np.empty((len(texts), len(self.labels)))
        for start in range(0, len(order), TEXTS_A_BATCH):
            rows = order[start : start + TEXTS_A_BATCH]
            logits[rows] = self._run([texts[row] for row in rows])
        return logits

    @torch.inference_mode()
    def _run(self, texts: list[str]) -> Float32:
        encoded = self._tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        ).to(self._device)
        logits: Float32 = self._model(**encoded).logits.float().cpu().numpy()
        return logits


def from_hub(transformers: Any, name: str, wanted_by: str, **options: Any) -> tuple[Any, Any]:
    """A tokenizer, and a sequence classifier loaded with these options.

    A name that is no folder is looked for on the hub, unless HF_HUB_OFFLINE forbids it. Raises
    ConfigError, saying who wanted it, where it cannot be loaded.
    """
    import_module("training.sentence_encoder")  # which transformers does not know by itself
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        loaded = transformers.AutoModelForSequenceClassification.from_pretrained(name, **options)
    except (ImportError, OSError, ValueError) as error:
        raise ConfigError(f"{wanted_by}: {str(error).strip().splitlines()[0]}") from error
    return tokenizer, loaded


def _digest(model: Any, tokenizer: Any) -> str:
    """Of weights and vocabulary: a folder or a branch of the hub may change under its name."""
    weights = [
        f"{name} {sha256(tensor.float().cpu().numpy().tobytes())}"
        for name, tensor in sorted(model.state_dict().items())
    ]
    words = sha256(repr(sorted(tokenizer.get_vocab().items())).encode("utf-8", "surrogatepass"))
    return sha256("\n".join([*weights, words]).encode())
