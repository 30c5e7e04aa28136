"""A run: from its file to trained weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from service.bundle import TOKENIZER_FILE, sha256
from service.engine import Float32
from service.tokenizer import Tokenizer
from training.batching import Int, TokenStore
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load, save_atomically
from training.config import RunConfig, run_as_dict
from training.corpus import Corpus, encode_corpus
from training.datasets import DataSet, describe, load_data
from training.distillation import ask, average, check_taught, folds_of, without_fold
from training.distributed import World
from training.errors import ConfigError, DataError, TrainingError
from training.inference import network_logits
from training.model import Classifier
from training.ngrams import NGrams, fit_ngrams, fit_share
from training.teachers import open_teachers
from training.tokenizer import sample_segmentations, train_tokenizer
from training.trainer import Trainer
from training.unlabelled import UnlabelledSet, describe_unlabelled, load_unlabelled
from training.vectors import open_vectors, start_from_vectors, words_of

NGRAMS_FILE = "ngrams.pt"
SEGMENTATIONS_FILE = "segmentations.pt"
SOFT_LABELS_FILE = "soft-labels.pt"


@dataclass(frozen=True)
class SoftLabels:
    """What teachers say of the train texts, those without label last."""

    log_p: Float32  # (N, C), -inf for labels that they do not say
    digest: str
    """Changes with the teachers and the texts."""


@dataclass(frozen=True)
class Prepared:
    """What a run starts from: checked data, the tokenizer made of it, and soft labels."""

    labels: tuple[str, ...]
    data_sets: list[DataSet]
    tokenizer: bytes
    data_folder: Path
    unlabelled: Sequence[UnlabelledSet] = field(default=(), kw_only=True)
    taught: SoftLabels | None = field(default=None, kw_only=True)

    @property
    def texts(self) -> list[str]:
        """All texts to learn from, those without label last."""
        return _train_texts(self.data_sets, self.unlabelled)

    @property
    def languages(self) -> list[str | None]:
        """Of each of `texts`, as far as it is named."""
        labelled = [d.source.language for d in self.data_sets for _ in d.train.texts]
        return [*labelled, *(each.source.language for each in self.unlabelled for _ in each.texts)]

    def corpus(self, tokenizer: Tokenizer) -> Corpus:
        """All texts to learn from, as numbers."""
        corpus = encode_corpus(self.data_sets, "train", self.labels, tokenizer, self.unlabelled)
        return replace(corpus, taught=self.taught.log_p if self.taught else None)


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
    hashes = [*(d.hashes for d in data_sets), *(each.hash for each in unlabelled)]
    digest = _digest(run_as_dict(run)["tokenizer"], hashes, run.seed)
    path = folder / f"{digest[:12]}.{TOKENIZER_FILE}"
    if world.leads and not path.exists():
        print(f"tokenizer: training {run.tokenizer.vocab_size} pieces", flush=True)
        texts = _train_texts(data_sets, unlabelled)
        content = train_tokenizer(texts, run.tokenizer, run.seed)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    world.wait()
    prepared = Prepared(labels, data_sets, path.read_bytes(), data_folder, unlabelled=unlabelled)
    _check_golden(run, Tokenizer(prepared.tokenizer))
    return prepared


def train(run: RunConfig, data_folder: Path, folder: Path, world: World) -> Trained:
    """Prepare, ask the teachers and fit, resuming what lies in `folder`.

    Raises DataError for data that cannot be learnt from, TrainingError when the folder
    holds another run, Interrupted when asked to stop, and as `teach` does.
    """
    prepared = prepare(run, data_folder, folder, world)
    return fit(run, teach(run, prepared, folder, world), folder, world)


def fit(run: RunConfig, prepared: Prepared, folder: Path, world: World) -> Trained:
    """Fit a network to prepared data, resuming what lies in `folder`. Raises as `train` does."""
    labels, data_sets = prepared.labels, prepared.data_sets
    if not any(len(data_set.dev) for data_set in data_sets):
        raise DataError("no dev rows: name a dev split or set dev_share above 0")
    tokenizer = Tokenizer(prepared.tokenizer)
    dev = encode_corpus(data_sets, "dev", labels, tokenizer)
    model = new_model(run, labels, tokenizer)
    if run.vectors:
        words = words_of(tokenizer)
        vectors = open_vectors(run.vectors, prepared.data_folder, words)
        count = start_from_vectors(model.embedding, words, vectors)
        if world.leads:
            print(f"vectors: {count} of {len(words)} pieces start from {run.vectors}", flush=True)
    read = prepared if run.learns_unlabelled else replace(prepared, unlabelled=())
    trainer = Trainer(
        config=run.training,
        model=model,
        train=read.corpus(tokenizer),
        dev=dev,
        folder=folder,
        world=world,
        seed=run.seed,
        fingerprint=fingerprint(run, prepared),
        segmentations=_segmentations(run, read, folder, world),
        distillation=run.distillation,
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
    prepared = teach(run, prepare(run, data_folder, folder, world), folder, world)
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
    tokenizer = Tokenizer(prepared.tokenizer)
    train, dev = (
        encode_corpus(prepared.data_sets, split, prepared.labels, tokenizer)
        for split in ("train", "dev")
    )
    vocab_size, classes = model.embedding.num_embeddings, len(prepared.labels)
    digest = _digest(fingerprint(run, prepared), run_as_dict(run)["ngrams"])
    path = folder / f"{digest[:12]}.{NGRAMS_FILE}"
    if path.exists():
        ngrams = NGrams(vocab_size, run.ngrams.buckets, classes)
        ngrams.load_state_dict(load(path))
    else:
        ngrams = fit_ngrams(run.ngrams, train, vocab_size, run.seed)
        save_atomically(ngrams.state_dict(), path)
    whole = replace(run.training, max_tokens=run.max_tokens)
    own, other = (
        network_logits(part, dev.store, classes, whole, torch.device("cpu"))
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
    taught = [settings["distillation"], prepared.taught.digest] if prepared.taught else []
    return _digest(
        [settings[key] for key in ("model", "training", "seed", "vectors")],
        *_data_facts(run, prepared),
        sha256(prepared.tokenizer),
        *taught,
    )


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
    digest = _digest(*_data_facts(run, prepared), run.seed, identities, folds, own)
    path = folder / f"{digest[:12]}.{SOFT_LABELS_FILE}"
    if world.any(not path.exists()):
        _check_unstarted(folder)
        networks = path.with_suffix(".folds")
        if folds:
            log_p = _cross_fit(_of_fold(run), prepared, folds, networks, world)
        elif world.leads:
            check_taught(prepared.labels, prepared.data_sets, teachers)
            log_p = ask(teachers, prepared.texts, prepared.languages)
        if world.leads:
            save_atomically({"log_p": torch.from_numpy(log_p)}, path)
            shutil.rmtree(networks, ignore_errors=True)
    world.wait()
    return replace(prepared, taught=SoftLabels(load(path)["log_p"].numpy(), digest))


def _cross_fit(
    run: RunConfig, prepared: Prepared, folds: int, folder: Path, world: World
) -> Float32:
    """Log-probabilities (N, C) of all texts by networks that did not learn from their labels.

    Each learns from all folds but one, and answers for that one and for the unlabelled texts.
    """
    tokenizer, texts, classes = Tokenizer(prepared.tokenizer), prepared.texts, len(prepared.labels)
    labelled = sum(len(data_set.train) for data_set in prepared.data_sets)
    fold_of = folds_of(texts, folds, run.seed)

    def answers() -> Iterator[tuple[Int, Float32]]:
        for number in range(folds):
            if world.leads:
                print(f"fold {number + 1} of {folds}", flush=True)
            part = without_fold(prepared.data_sets, number, folds, run.seed)
            own = folder / f"fold-{number}"
            model = fit(run, replace(prepared, data_sets=part), own, world).model
            held_out = fold_of == number
            held_out[labelled:] = True
            rows = np.flatnonzero(held_out)
            store = TokenStore.of(tokenizer.encode_all([texts[row] for row in rows], threads=-1))
            yield rows, network_logits(model, store, classes, run.training, world.device)

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


def _train_texts(data_sets: Sequence[DataSet], unlabelled: Sequence[UnlabelledSet]) -> list[str]:
    labelled = [text for data_set in data_sets for text in data_set.train.texts]
    return [*labelled, *(text for each in unlabelled for text in each.texts)]


def _data_facts(run: RunConfig, prepared: Prepared) -> list[object]:
    """What the data are, and what their labels mean."""
    settings = run_as_dict(run)
    unlabelled = [settings["unlabelled"], *(each.hash for each in prepared.unlabelled)]
    return [
        prepared.labels,
        [(data_set.labels, data_set.hashes) for data_set in prepared.data_sets],
        [settings["data"]],
        *([unlabelled] if prepared.unlabelled else []),
    ]


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
        texts = prepared.texts
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
