"""A run: from its file to trained weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from service.tokenizer import Tokenizer
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load
from training.config import RunConfig
from training.distributed import World
from training.errors import ConfigError, TrainingError
from training.fitting import Trained, add_ngrams, fit, new_model
from training.prepared import Prepared, fingerprint, prepare, pretraining_fingerprint
from training.pretraining import Pretrainer, read_texts
from training.starting import keep_share, read_pretrained
from training.teaching import teach

PRETRAINING_FOLDER = "pretraining"


def train(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Trained:
    """Prepare, pretrain, ask the teachers and fit, resuming what lies in `folder`.

    Raises as each of these does; TrainingError when the folder holds another run, and
    Interrupted when asked to stop.
    """
    prepared = prepare(run, data_folder, folder, world)
    if run.pretraining:
        start = read_pretrained(pretrain(run, prepared, folder, world))
        prepared = replace(prepared, start=start)
    return fit(run, teach(run, prepared, folder, world), folder, world)


def pretrain(run: RunConfig, prepared: Prepared, folder: Path, world: World) -> Path:
    """Fit the run's language model, resuming what lies in `folder`; the folder it is in.

    Raises ConfigError when the run has no [pretraining], DataError for too few texts, and
    otherwise as `fit` does.
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
        fingerprint=pretraining_fingerprint(run, prepared),
    ).fit()
    return own


def restore(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Trained:
    """The best weights that a run has in `folder` so far.

    Raises TrainingError when there are none, or when they are of other settings or data.
    """
    path = folder / BEST_FILE
    if not path.exists():
        raise TrainingError(f"{path}: none yet; they are kept at the first evaluation or stop")
    prepared = teach(run, prepare(run, data_folder, folder, world), folder, world)
    state = load(path)
    if state["fingerprint"] != fingerprint(run, prepared):
        raise TrainingError(f"{path} is of a run with other settings or data")
    model = new_model(run, prepared.labels, Tokenizer(prepared.tokenizer))
    model.load_state_dict(state["model"])
    if prepared.start:
        keep_share(prepared.start, run.training.start_share, model, prepared.labels)
    if run.ngrams:
        add_ngrams(run, prepared, model, folder)
    return Trained(**vars(prepared), model=model.eval())


def discard(folder: Path) -> None:
    """Remove the weights that an earlier run left in the folder."""
    for name in (CHECKPOINT_FILE, BEST_FILE):
        (folder / name).unlink(missing_ok=True)
