"""The loop over labelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import Tensor

from training.batching import Int, TokenStore, collate, cropped_lengths, exact_length_batches
from training.config import TrainingConfig
from training.corpus import Corpus
from training.distributed import World
from training.finetuning import layer_groups
from training.loop import Loop
from training.model import Classifier
from training.objectives import adversarial_noise, partial_label_loss
from training.plan import Plan
from training.pooling import NEVER


class Trainer(Loop[Classifier]):
    """Fits a classifier, keeping the averaged weights that score best on dev."""

    _config: TrainingConfig

    def __init__(
        self,
        config: TrainingConfig,
        model: Classifier,
        train: Corpus,
        dev: Corpus,
        folder: Path,
        world: World,
        seed: int,
        fingerprint: str,
        segmentations: Sequence[TokenStore] = (),
    ) -> None:
        """`segmentations` are the train texts as read in each pass; by default always the same."""
        self._train, self._dev = train, dev
        plan = Plan(config, segmentations or [train.store] * config.reads, seed, world.size)
        groups = layer_groups(model, config, plan)
        super().__init__(config, model, plan, groups, folder, world, seed, fingerprint)

    def _backward(self, ids: Tensor, rows: Int) -> Tensor:
        """Add the gradients of a batch, with those of its adversarial reading where asked for."""
        targets = torch.from_numpy(self._train.targets[rows]).to(ids.device)
        sayable = torch.from_numpy(self._train.sayable[rows]).to(ids.device)

        def loss_with(noise: Tensor | None) -> Tensor:
            with self._autocast():
                logits = self._parallel(ids, noise=noise)
            loss = partial_label_loss(logits, targets, sayable, self._config.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        if not self._is_adversarial():
            return loss_with(None)
        silence = torch.zeros(
            (*ids.shape, self._model.config.embedding_size), device=ids.device, requires_grad=True
        )
        loss = loss_with(silence)
        assert silence.grad is not None
        loss_with(adversarial_noise(silence.grad, self._config.adversarial_norm))
        return loss

    def _is_adversarial(self) -> bool:
        config = self._config
        begins = self._plan.starts[min(config.adversarial_after, self._plan.passes)]
        return config.adversarial_norm > 0 and self._progress.step >= begins

    def _dev_scores(self, model: Classifier) -> dict[str, float]:
        """Macro recall of each data set, among the labels that it can say; first their mean."""
        corpus = self._dev
        predicted = np.zeros(len(corpus), dtype=np.int64)
        lengths = cropped_lengths(corpus.store.lengths, self._config.max_tokens)
        model.eval()
        with torch.inference_mode(), self._autocast():
            for batch in exact_length_batches(lengths, self._config.batch_tokens, 1024):
                ids = torch.from_numpy(collate(corpus.store, batch)).to(self._world.device)
                logits = model(ids).cpu().numpy()
                allowed = np.where(corpus.sayable[batch.rows], logits, NEVER)
                predicted[batch.rows] = allowed.argmax(axis=-1)
        scores = {
            name: float(
                recall_score(
                    corpus.targets[rows],
                    predicted[rows],
                    labels=np.unique(corpus.targets[rows]),
                    average="macro",
                )
            )
            for index, name in enumerate(corpus.names)
            if (rows := corpus.members == index).any()
        }
        return {"mean": float(np.mean(list(scores.values()))), **scores}
