"""A network fitted to prepared data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm

from service.tokenizer import Tokenizer
from training.batching import TokenStore
from training.checkpoint import load, save_atomically
from training.config import RunConfig, run_as_dict
from training.corpus import encode_corpus
from training.distributed import World
from training.errors import DataError
from training.inference import network_logits
from training.model import Classifier
from training.ngrams import NGrams, fit_ngrams, fit_share
from training.prepared import Prepared, digest, fingerprint
from training.starting import check_share, keep_share, start_from
from training.tokenizer import sample_segmentations
from training.trainer import Trainer
from training.vectors import open_vectors, start_from_vectors, words_of

NGRAMS_FILE = "ngrams.pt"
SEGMENTATIONS_FILE = "segmentations.pt"


@dataclass(frozen=True)
class Trained(Prepared):
    """What a run leaves for export."""

    model: Classifier


def fit(run: RunConfig, prepared: Prepared, folder: Path, world: World) -> Trained:
    """Fit a network to prepared data, resuming what lies in `folder`.

    Raises DataError without dev rows, ConfigError for a start of another shape,
    TrainingError when the folder holds another run, Interrupted when asked to stop.
    """
    labels, data_sets = prepared.labels, prepared.data_sets
    if not any(len(data_set.dev) for data_set in data_sets):
        raise DataError("no dev rows: name a dev split or set dev_share above 0")
    tokenizer = Tokenizer(prepared.tokenizer)
    dev = encode_corpus(data_sets, "dev", labels, tokenizer)
    model = new_model(run, labels, tokenizer)
    if prepared.start:
        check_share(prepared.start, run.training.start_share, model, labels)
        started = start_from(prepared.start, model, labels)
        if world.leads:
            print(f"start: {started}", flush=True)
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
    if prepared.start:
        keep_share(prepared.start, run.training.start_share, model, labels)
    if run.ngrams and world.leads:
        add_ngrams(run, prepared, model, folder)
    return Trained(**vars(prepared), model=model)


def add_ngrams(run: RunConfig, prepared: Prepared, model: Classifier, folder: Path) -> None:
    """Add the n-grams to a fitted network, by the share that dev wants; kept in `folder`."""
    assert run.ngrams is not None
    tokenizer = Tokenizer(prepared.tokenizer)
    dev = encode_corpus(prepared.data_sets, "dev", prepared.labels, tokenizer)
    vocab_size, classes = model.embedding.num_embeddings, len(prepared.labels)
    key = digest(fingerprint(run, prepared), run_as_dict(run)["ngrams"])
    path = folder / f"{key[:12]}.{NGRAMS_FILE}"
    if path.exists():
        ngrams = NGrams(vocab_size, run.ngrams.buckets, classes)
        ngrams.load_state_dict(load(path))
    else:
        train = encode_corpus(prepared.data_sets, "train", prepared.labels, tokenizer)
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
