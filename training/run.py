"""A run: from its file to trained weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from tqdm import tqdm

from service.bundle import TOKENIZER_FILE, sha256
from service.tokenizer import Tokenizer
from training.batching import TokenStore
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load, save_atomically
from training.config import RunConfig, run_as_dict
from training.corpus import encode_corpus
from training.datasets import DataSet, describe, load_data
from training.distributed import World
from training.errors import ConfigError, DataError, TrainingError
from training.model import Classifier
from training.pretraining import (
    SHAPE,
    Pretrained,
    Pretrainer,
    read_pretrained,
    read_texts,
    start_from,
)
from training.tokenizer import sample_segmentations, train_tokenizer
from training.trainer import Trainer
from training.unlabelled import UnlabelledSet, describe_unlabelled, load_unlabelled

SEGMENTATIONS_FILE = "segmentations.pt"
PRETRAINING_FOLDER = "pretraining"


@dataclass(frozen=True)
class Prepared:
    """What a run starts from: checked data and the tokenizer made of it."""

    labels: tuple[str, ...]
    data_sets: list[DataSet]
    tokenizer: bytes
    unlabelled: Sequence[UnlabelledSet] = field(default=(), kw_only=True)
    start: Pretrained | None = field(default=None, kw_only=True)
    """What the classifier starts from; the tokenizer is that one's."""


@dataclass(frozen=True)
class Trained(Prepared):
    """What a run leaves for export."""

    model: Classifier


def prepare(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Prepared:
    """Read and report the data; make the tokenizer, or find in `folder` the one made of them.

    Raises DataError for data that cannot be learnt from, ConfigError for a golden text
    in which the tokenizer finds nothing.
    """
    labels, data_sets = load_data(run, data_folder)
    unlabelled = load_unlabelled(run.unlabelled, data_folder, data_sets)
    if world.leads:
        print(*describe(data_sets), *describe_unlabelled(unlabelled), sep="\n", flush=True)
    if run.training.start is not None:
        start = read_pretrained(Path(run.training.start))
        return _checked(run, Prepared(labels, data_sets, start.tokenizer, start=start))
    hashes = [*(d.hashes for d in data_sets), *(each.hash for each in unlabelled)]
    digest = _digest(run_as_dict(run)["tokenizer"], hashes, run.seed)
    path = folder / f"{digest[:12]}.{TOKENIZER_FILE}"
    if world.leads and not path.exists():
        print(f"tokenizer: training {run.tokenizer.vocab_size} pieces", flush=True)
        texts = [text for data_set in data_sets for text in data_set.train.texts]
        texts += [text for each in unlabelled for text in each.texts]
        content = train_tokenizer(texts, run.tokenizer, run.seed)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    world.wait()
    return _checked(run, Prepared(labels, data_sets, path.read_bytes(), unlabelled=unlabelled))


def train(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Trained:
    """Prepare, pretrain where the run says so, and fit, resuming what lies in `folder`.

    Raises DataError for data that cannot be learnt from, ConfigError for a language model
    of another shape, TrainingError when the folder holds another run, Interrupted when
    asked to stop.
    """
    prepared = prepare(run, data_folder, folder, world)
    if run.pretraining:
        start = read_pretrained(pretrain(run, prepared, folder, world))
        prepared = replace(prepared, start=start)
    return fit(run, prepared, folder, world)


def pretrain(run: RunConfig, prepared: Prepared, folder: Path, world: World) -> Path:
    """Fit the run's language model, resuming what lies in `folder`; the folder it is in.

    Raises ConfigError when the run has no [pretraining], and otherwise as `train` does.
    """
    config, own = run.pretraining, folder / PRETRAINING_FOLDER
    if config is None:
        raise ConfigError("the run has no [pretraining] table")
    train, held_out = read_texts(
        prepared.data_sets,
        prepared.unlabelled,
        Tokenizer(prepared.tokenizer),
        config.held_out_share,
        run.seed,
    )
    if world.leads:
        print(
            f"pretraining: {len(train)} texts, {train.offsets[-1]} tokens; "
            f"{len(held_out)} texts held out",
            flush=True,
        )
    Pretrainer(
        config=config,
        network=run.model,
        train=train,
        held_out=held_out,
        tokenizer=prepared.tokenizer,
        folder=own,
        world=world,
        seed=run.seed,
        fingerprint=_pretraining_fingerprint(run, prepared),
    ).fit()
    return own


def fit(run: RunConfig, prepared: Prepared, folder: Path, world: World) -> Trained:
    """Fit a network to prepared data, resuming what lies in `folder`. Raises as `train` does."""
    labels, data_sets = prepared.labels, prepared.data_sets
    if not any(len(data_set.dev) for data_set in data_sets):
        raise DataError("no dev rows: name a dev split or set dev_share above 0")
    tokenizer = Tokenizer(prepared.tokenizer)
    model = new_model(run, labels, tokenizer)
    if prepared.start:
        start_from(prepared.start, model)
    trainer = Trainer(
        config=run.training,
        model=model,
        train=encode_corpus(data_sets, "train", labels, tokenizer),
        dev=encode_corpus(data_sets, "dev", labels, tokenizer),
        folder=folder,
        world=world,
        seed=run.seed,
        fingerprint=fingerprint(run, prepared),
        segmentations=_segmentations(run, prepared, folder, world),
    )
    return Trained(**vars(prepared), model=trainer.fit())


def restore(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Trained:
    """The best weights that a run has in `folder` so far.

    Raises TrainingError when there are none, or when they are of other settings or data.
    """
    path = folder / BEST_FILE
    if not path.exists():
        raise TrainingError(f"{path}: none yet; they are kept at the first evaluation or stop")
    prepared = prepare(run, data_folder, folder, world)
    state = load(path)
    if state["fingerprint"] != fingerprint(run, prepared):
        raise TrainingError(f"{path} is of a run with other settings or data")
    model = new_model(run, prepared.labels, Tokenizer(prepared.tokenizer))
    model.load_state_dict(state["model"])
    return Trained(**vars(prepared), model=model.eval())


def new_model(run: RunConfig, labels: Sequence[str], tokenizer: Tokenizer) -> Classifier:
    """An untrained network, the same for the same seed."""
    torch.manual_seed(run.seed)
    return Classifier(
        run.model, tokenizer.vocab_size, len(labels), tokenizer.pad_id, tokenizer.unk_id
    )


def discard(folder: Path) -> None:
    """Remove the weights that an earlier run left in the folder."""
    for name in (CHECKPOINT_FILE, BEST_FILE):
        (folder / name).unlink(missing_ok=True)


def fingerprint(run: RunConfig, prepared: Prepared) -> str:
    """Changes with anything that changes the weights, or what they mean."""
    settings = run_as_dict(run)
    start = _pretraining_fingerprint(run, prepared) if run.pretraining else None
    return _digest(
        [settings[key] for key in ("model", "training", "seed")],
        prepared.labels,
        [(data_set.labels, data_set.hashes) for data_set in prepared.data_sets],
        [settings["data"]],
        sha256(prepared.tokenizer),
        prepared.start.digest if run.training.start and prepared.start else start,
    )


def _pretraining_fingerprint(run: RunConfig, prepared: Prepared) -> str:
    """Changes with anything that changes the weights of the language model."""
    settings = run_as_dict(run)
    return _digest(
        [settings["model"][field] for field in (*SHAPE, "layer_dropout", "weight_drop")],
        [settings[key] for key in ("pretraining", "seed", "data", "unlabelled")],
        [data_set.hashes for data_set in prepared.data_sets],
        [each.hash for each in prepared.unlabelled],
        sha256(prepared.tokenizer),
    )


def _segmentations(
    run: RunConfig, prepared: Prepared, folder: Path, world: World
) -> list[TokenStore]:
    """The train texts as each pass reads them, where segmentations are drawn.

    Drawn once and kept in the folder, for every process and every resume: sentencepiece
    draws others in every process, whatever its seed.
    """
    alpha, reads = run.training.sampling_alpha, run.training.reads
    if not alpha:
        return []
    path = folder / f"{fingerprint(run, prepared)[:12]}.{SEGMENTATIONS_FILE}"
    if world.leads and not path.exists():
        texts = [text for data_set in prepared.data_sets for text in data_set.train.texts]
        bar = tqdm(range(reads), desc="drawing segmentations", unit="pass")
        drawn = (
            sample_segmentations(prepared.tokenizer, texts, alpha, run.seed + number)
            for number in bar
        )
        tensors = [
            {name: torch.from_numpy(array) for name, array in vars(TokenStore.of(ids)).items()}
            for ids in drawn
        ]
        save_atomically({"passes": tensors}, path)
    world.wait()
    return [
        TokenStore(flat=one["flat"].numpy(), offsets=one["offsets"].numpy())
        for one in load(path)["passes"]
    ]


def _checked(run: RunConfig, prepared: Prepared) -> Prepared:
    tokenizer = Tokenizer(prepared.tokenizer)
    for text in run.golden:
        if not tokenizer.encode(text):
            raise ConfigError(f"golden: the tokenizer finds nothing to read in {text!r}")
    return prepared


def _digest(*facts: object) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode())
