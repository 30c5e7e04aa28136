"""A run: from its file to trained weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from service.bundle import TOKENIZER_FILE, sha256
from service.tokenizer import Tokenizer
from training.batching import TokenStore
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load, save_atomically
from training.config import RunConfig, run_as_dict
from training.corpus import Corpus, encode_corpus
from training.datasets import DataSet, describe, load_data
from training.distributed import World
from training.errors import ConfigError, DataError, TrainingError
from training.inference import corpus_logits
from training.model import Classifier
from training.ngrams import NGrams, fit_ngrams, fit_share
from training.tokenizer import sample_segmentations, train_tokenizer
from training.trainer import Trainer
from training.vectors import open_vectors, start_from_vectors, words_of

SEGMENTATIONS_FILE = "segmentations.pt"
NGRAMS_FILE = "ngrams.pt"


@dataclass(frozen=True)
class Prepared:
    """What a run starts from: checked data and the tokenizer made of it."""

    labels: tuple[str, ...]
    data_sets: list[DataSet]
    tokenizer: bytes
    data_folder: Path


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
    if world.leads:
        print(*describe(data_sets), sep="\n", flush=True)
    digest = _digest(run_as_dict(run)["tokenizer"], [d.hashes for d in data_sets], run.seed)
    path = folder / f"{digest[:12]}.{TOKENIZER_FILE}"
    if world.leads and not path.exists():
        print(f"tokenizer: training {run.tokenizer.vocab_size} pieces", flush=True)
        texts = [text for data_set in data_sets for text in data_set.train.texts]
        content = train_tokenizer(texts, run.tokenizer, run.seed)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    world.wait()
    prepared = Prepared(labels, data_sets, path.read_bytes(), data_folder)
    _check_golden(run, Tokenizer(prepared.tokenizer))
    return prepared


def train(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Trained:
    """Prepare and fit, resuming what lies in `folder`.

    Raises DataError for data that cannot be learnt from, TrainingError when the folder
    holds another run, Interrupted when asked to stop.
    """
    return fit(run, prepare(run, data_folder, folder, world), folder, world)


def fit(run: RunConfig, prepared: Prepared, folder: Path, world: World) -> Trained:
    """Fit a network to prepared data, resuming what lies in `folder`. Raises as `train` does."""
    labels, data_sets = prepared.labels, prepared.data_sets
    if not any(len(data_set.dev) for data_set in data_sets):
        raise DataError("no dev rows: name a dev split or set dev_share above 0")
    tokenizer = Tokenizer(prepared.tokenizer)
    train, dev = _corpora(prepared)
    model = new_model(run, labels, tokenizer)
    if run.vectors:
        words = words_of(tokenizer)
        vectors = open_vectors(run.vectors, prepared.data_folder, words)
        count = start_from_vectors(model.embedding, words, vectors)
        if world.leads:
            print(f"vectors: {count} of {len(words)} pieces start from {run.vectors}", flush=True)
    trainer = Trainer(
        config=run.training,
        model=model,
        train=train,
        dev=dev,
        folder=folder,
        world=world,
        seed=run.seed,
        fingerprint=fingerprint(run, prepared),
        segmentations=_segmentations(run, prepared, folder, world),
    )
    model = trainer.fit()
    if run.ngrams and world.leads:
        add_ngrams(run, prepared, model, folder)
    return Trained(**vars(prepared), model=model)


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
    if run.ngrams:
        add_ngrams(run, prepared, model, folder)
    return Trained(**vars(prepared), model=model.eval())


def add_ngrams(run: RunConfig, prepared: Prepared, model: Classifier, folder: Path) -> None:
    """Add the n-grams to a fitted network, by the share that dev wants; kept in `folder`."""
    assert run.ngrams is not None
    train, dev = _corpora(prepared)
    vocab_size, classes = model.embedding.num_embeddings, len(prepared.labels)
    digest = _digest(fingerprint(run, prepared), run_as_dict(run)["ngrams"])
    path = folder / f"{digest[:12]}.{NGRAMS_FILE}"
    if path.exists():
        ngrams = NGrams(vocab_size, run.ngrams.buckets, classes)
        ngrams.load_state_dict(load(path))
    else:
        ngrams = fit_ngrams(run.ngrams, train, vocab_size, run.seed)
        save_atomically(ngrams.state_dict(), path)
    own, other = (
        corpus_logits(part, dev, run.max_tokens, run.training.batch_tokens, torch.device("cpu"))
        for part in (model.cpu(), ngrams)
    )
    share = fit_share(own, other, dev)
    print(f"n-grams: added by a share of {share:.2f}, fitted on dev", flush=True)
    with torch.no_grad():
        for weight in ngrams.parameters():
            weight.mul_(share)
    model.ngrams = ngrams


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
    return _digest(
        [settings[key] for key in ("model", "training", "seed", "vectors")],
        prepared.labels,
        [(data_set.labels, data_set.hashes) for data_set in prepared.data_sets],
        [settings["data"]],
        sha256(prepared.tokenizer),
    )


def _corpora(prepared: Prepared) -> tuple[Corpus, Corpus]:
    """Train and dev rows as numbers."""
    tokenizer = Tokenizer(prepared.tokenizer)
    train, dev = (
        encode_corpus(prepared.data_sets, split, prepared.labels, tokenizer)
        for split in ("train", "dev")
    )
    return train, dev


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


def _check_golden(run: RunConfig, tokenizer: Tokenizer) -> None:
    for text in run.golden:
        if not tokenizer.encode(text):
            raise ConfigError(f"golden: the tokenizer finds nothing to read in {text!r}")


def _digest(*facts: object) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode())
