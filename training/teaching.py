"""Soft labels for a run: asked of its teachers, or of networks of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from service.engine import Float32
from service.tokenizer import Tokenizer
from training.batching import Int, TokenStore
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load, save_atomically
from training.config import RunConfig
from training.distillation import ask, average, check_taught, folds_of, without_fold
from training.distributed import World
from training.errors import TrainingError
from training.fitting import fit
from training.inference import network_logits
from training.prepared import Prepared, SoftLabels, data_facts, digest, fingerprint
from training.teachers import open_teachers

SOFT_LABELS_FILE = "soft-labels.pt"


def teach(run: RunConfig, prepared: Prepared, folder: Path, world: World) -> Prepared:
    """Prepared data with the soft labels that the run asks for, if any.

    They are found in `folder`, or made and kept there. Raises ConfigError or BundleError for
    a teacher that cannot be asked, and TrainingError when `folder` holds weights that learnt
    from others.
    """
    if run.distillation is None:
        return prepared
    folds = run.distillation.folds
    teachers = open_teachers(run.distillation.teachers, prepared.labels, world.device)
    identities = [teacher.identity for teacher in teachers]
    own = fingerprint(_of_fold(run), prepared) if folds else None
    # The seed decides which rows are held out of train as dev.
    key = digest(*data_facts(run, prepared), run.seed, identities, folds, own)
    path = folder / f"{key[:12]}.{SOFT_LABELS_FILE}"
    if world.any(not path.exists()):
        _check_unstarted(folder)
        networks = path.with_suffix(".folds")
        if folds:
            log_p = _cross_fit(_of_fold(run), prepared, folds, networks, world)
        elif world.leads:
            check_taught(prepared.labels, prepared.data_sets, teachers)
            log_p = ask(teachers, prepared.originals, prepared.languages, prepared.asked, folder)
        if world.leads:
            save_atomically({"log_p": torch.from_numpy(log_p)}, path)
            shutil.rmtree(networks, ignore_errors=True)
    world.wait()
    return replace(prepared, taught=SoftLabels(load(path)["log_p"].numpy(), key))


def _cross_fit(
    run: RunConfig, prepared: Prepared, folds: int, folder: Path, world: World
) -> Float32:
    """Log-probabilities (N, C) of all texts by networks that did not learn from their labels.

    Each learns from all folds but one, and answers for that one and for the unlabelled texts.
    """
    tokenizer, classes = Tokenizer(prepared.tokenizer), len(prepared.labels)
    texts = prepared.originals
    labelled = sum(len(data_set.train) for data_set in prepared.data_sets)
    fold_of = folds_of(texts, folds, run.seed)

    def answers() -> Iterator[tuple[Int, Float32, float]]:
        for number in range(folds):
            if world.leads:
                print(f"fold {number + 1} of {folds}", flush=True)
            part = without_fold(prepared.data_sets, number, folds, run.seed)
            own = folder / f"fold-{number}"
            model = fit(run, replace(prepared, data_sets=part), own, world).model
            held_out = fold_of == number
            held_out[labelled:] = True
            rows = np.flatnonzero(held_out & prepared.asked)
            store = TokenStore.of(tokenizer.encode_all([texts[row] for row in rows], threads=-1))
            yield rows, network_logits(model, store, classes, run.training, world.device), 1.0

    return average(answers(), np.ones((len(texts), classes), dtype=np.bool_))


def _of_fold(run: RunConfig) -> RunConfig:
    """The run of a network that labels a fold."""
    return replace(run, distillation=None, unlabelled=(), ngrams=None)


def _check_unstarted(folder: Path) -> None:
    for name in (CHECKPOINT_FILE, BEST_FILE):
        if (folder / name).exists():
            raise TrainingError(
                f"{folder / name} learnt from other teachers, settings or data; "
                "train with --fresh to discard it, or into another --output"
            )
