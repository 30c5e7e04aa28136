"""What a run starts from: data, tokenizer, and what they and its settings amount to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from service.bundle import TOKENIZER_FILE, sha256
from service.engine import Float32
from service.tokenizer import Tokenizer
from training.config import RunConfig, run_as_dict
from training.corpus import Corpus, encode_corpus
from training.datasets import DataSet, describe, load_data
from training.distributed import World
from training.errors import ConfigError
from training.metrics import Bool
from training.simplified_chinese import simplify_chinese
from training.starting import SHAPE, Start, read_start
from training.tokenizer import train_tokenizer
from training.unlabelled import (
    UnlabelledSet,
    describe_unlabelled,
    load_unlabelled,
    original_texts,
    train_texts,
)
from training.vectors import check_vectors

OFF = {
    "backward": False,
    "weight_drop": 0.0,
    "start": None,
    "layer_rate_factor": 1.0,
    "unfreeze_passes": 0.0,
    "templates": None,
    "template_rows": 20_000,
    "train_rows": None,
    "domain_column": None,
    "sentences": False,
    "spans": None,
    "misspelt": 0.0,
    "rows": None,
    "taught": True,
}
"""Settings that are younger than checkpoints still in use, and what turns each off."""


@dataclass(frozen=True)
class SoftLabels:
    """What teachers say of the train texts, those without label last."""

    log_p: Float32  # (N, C), -inf for labels that they do not say
    digest: str
    """Changes with the teachers and the texts."""


@dataclass(frozen=True)
class Prepared:
    """Checked data, their tokenizer, soft labels, and weights to start from."""

    labels: tuple[str, ...]
    data_sets: list[DataSet]
    tokenizer: bytes
    data_folder: Path
    unlabelled: Sequence[UnlabelledSet] = field(default=(), kw_only=True)
    start: Start | None = field(default=None, kw_only=True)
    """Where training.start names it, the tokenizer has its pieces."""
    taught: SoftLabels | None = field(default=None, kw_only=True)

    @property
    def texts(self) -> list[str]:
        """All texts to learn from, those without label last."""
        return train_texts(self.data_sets, self.unlabelled)

    @property
    def originals(self) -> list[str]:
        """The same as teachers read them."""
        return original_texts(self.data_sets, self.unlabelled)

    @property
    def languages(self) -> list[str | None]:
        """Of each of `texts`, as far as it is named."""
        labelled = [d.source.language for d in self.data_sets for _ in d.train.texts]
        return [*labelled, *(each.source.language for each in self.unlabelled for _ in each.texts)]

    @property
    def asked(self) -> Bool:
        """Whether teachers speak of each of `texts` (N,)."""
        labelled = [d.source.taught for d in self.data_sets for _ in d.train.texts]
        return np.array([*labelled, *(True for each in self.unlabelled for _ in each.texts)])

    def corpus(self, tokenizer: Tokenizer) -> Corpus:
        """All texts to learn from, as numbers."""
        corpus = encode_corpus(self.data_sets, "train", self.labels, tokenizer, self.unlabelled)
        return replace(corpus, taught=self.taught.log_p if self.taught else None)


def prepare(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Prepared:
    """Read and report the data; make the tokenizer, or find in `folder` the one made of them.

    A run that starts from a language model or a bundle reads with its tokenizer, to which
    Traditional Chinese is Simplified unless the run says otherwise. Raises
    DataError for data that cannot be learnt from, ConfigError for a golden text in which the
    tokenizer finds nothing, and as `read_start` does.
    """
    if run.vectors:
        check_vectors(run.vectors, data_folder)
    start = read_start(run)
    labels, data_sets = load_data(run, data_folder)
    unlabelled = load_unlabelled(run.unlabelled, data_folder, data_sets)
    if world.leads:
        print(*describe(data_sets), *describe_unlabelled(unlabelled), sep="\n", flush=True)
    tokenizer = start.tokenizer if start else _tokenizer(run, data_sets, unlabelled, folder, world)
    if start and run.tokenizer.simplify_chinese:
        tokenizer = simplify_chinese(tokenizer)
    _check_golden(run, Tokenizer(tokenizer))
    return Prepared(labels, data_sets, tokenizer, data_folder, unlabelled=unlabelled, start=start)


def fingerprint(run: RunConfig, prepared: Prepared) -> str:
    """Changes with anything that changes the weights, or what they mean."""
    settings = run_as_dict(run)
    del settings["training"]["start_share"]  # mixed in afterwards
    taught: list[object] = []
    if run.distillation and prepared.taught:  # by whom says the digest, wherever they lie
        how = {name: settings["distillation"][name] for name in ("temperature", "hard_weight")}
        taught = [how, prepared.taught.digest]
    return digest(
        [
            *(_without_what_is_off(settings[table]) for table in ("model", "training")),
            *(settings[key] for key in ("seed", "vectors")),
        ],
        *data_facts(run, prepared),
        sha256(prepared.tokenizer),
        *_start_facts(run, prepared),
        *taught,
    )


def pretraining_fingerprint(run: RunConfig, prepared: Prepared) -> str:
    """Changes with anything that changes the weights of the language model."""
    settings = run_as_dict(run)
    return digest(
        [settings["model"][field] for field in (*SHAPE, "layer_dropout", "weight_drop")],
        [settings["pretraining"], settings["seed"], _sources(settings), _texts(settings)],
        [data_set.hashes for data_set in prepared.data_sets],
        [each.hash for each in prepared.unlabelled],
        sha256(prepared.tokenizer),
    )


def data_facts(run: RunConfig, prepared: Prepared) -> list[object]:
    """What the data are, and what their labels mean."""
    settings = run_as_dict(run)
    unlabelled = [_texts(settings), *(each.hash for each in prepared.unlabelled)]
    return [
        prepared.labels,
        [(data_set.labels, data_set.hashes) for data_set in prepared.data_sets],
        [_sources(settings)],
        *([unlabelled] if prepared.unlabelled else []),
    ]


def digest(*facts: object) -> str:
    """SHA-256 of facts that JSON can hold."""
    return sha256(json.dumps(facts, sort_keys=True).encode())


def _start_facts(run: RunConfig, prepared: Prepared) -> list[str]:
    if run.pretraining:
        return [pretraining_fingerprint(run, prepared)]
    return [prepared.start.digest] if prepared.start else []


def _sources(settings: dict[str, Any]) -> list[dict[str, Any]]:
    return [_without_what_is_off(source) for source in settings["data"]]


def _texts(settings: dict[str, Any]) -> list[dict[str, Any]]:
    return [_without_what_is_off(source) for source in settings["unlabelled"]]


def _without_what_is_off(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if (name, value) not in OFF.items()}


def _tokenizer(
    run: RunConfig,
    data_sets: Sequence[DataSet],
    unlabelled: Sequence[UnlabelledSet],
    folder: Path,
    world: World,
) -> bytes:
    hashes = [*(d.hashes for d in data_sets), *(each.hash for each in unlabelled)]
    key = digest(run_as_dict(run)["tokenizer"], hashes, run.seed)
    path = folder / f"{key[:12]}.{TOKENIZER_FILE}"
    if world.leads and not path.exists():
        print(f"tokenizer: training {run.tokenizer.vocab_size} pieces", flush=True)
        texts = train_texts(data_sets, unlabelled)
        content = train_tokenizer(texts, run.tokenizer, run.seed)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    world.wait()
    return path.read_bytes()


def _check_golden(run: RunConfig, tokenizer: Tokenizer) -> None:
    for text in run.golden:
        if not tokenizer.encode(text):
            raise ConfigError(f"golden: the tokenizer finds nothing to read in {text!r}")
