"""The loop over labelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import Tensor, nn

from training.batching import Int, TokenStore
from training.config import TrainingConfig
from training.corpus import Corpus
from training.distillation_config import DistillationConfig
from training.distributed import World
from training.finetuning import layer_groups
from training.inference import network_logits
from training.loop import Loop
from training.model import Classifier
from training.objectives import (
    Lesson,
    adversarial_noise,
    lesson_loss,
    virtual_adversarial_loss,
)
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
        distillation: DistillationConfig | None = None,
    ) -> None:
        """`segmentations` are the train texts as read in each pass; by default always the same."""
        self._train, self._dev, self._distillation = train, dev, distillation
        plan = Plan(config, segmentations or [train.store] * config.reads, seed, world.size)
        groups = layer_groups(model, config, plan)
        super().__init__(config, model, plan, groups, folder, world, seed, fingerprint)

    def _backward(self, ids: Tensor, rows: Int) -> Tensor:
        """Add the gradients of a batch, with those of its readings with noise where asked for."""
        loss = self._learn(ids, self._train.lesson(rows, ids.device))
        if weight := self._config.virtual_adversarial_weight:
            unsteadiness = self._virtual_adversarial_loss(ids, seed=torch.initial_seed())
            (weight * unsteadiness).backward()  # type: ignore[no-untyped-call]
        return loss

    def _learn(self, ids: Tensor, lesson: Lesson) -> Tensor:
        """Add the gradients of the lesson, with those of its adversarial reading."""

        def loss_with(noise: Tensor | None) -> Tensor:
            with self._autocast():
                logits = self._parallel(ids, noise=noise)
            loss = lesson_loss(logits, lesson, self._config.label_smoothing, self._distillation)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        if not self._is_adversarial():
            return loss_with(None)
        silence = self._silence(ids).requires_grad_()
        loss = loss_with(silence)
        assert silence.grad is not None
        loss_with(adversarial_noise(silence.grad, self._config.adversarial_norm))
        return loss

    def _virtual_adversarial_loss(self, ids: Tensor, seed: int) -> Tensor:
        """How much noise changes the answers, with the dropout that `seed` gives each reading."""

        def read(network: nn.Module, noise: Tensor) -> Tensor:
            torch.manual_seed(seed)  # other dropout would change the answers more than the noise
            with self._autocast():
                return network(ids, noise=noise)  # type: ignore[no-any-return]

        # Several processes share gradients at each backward, which to look for noise must not be.
        look, learn = partial(read, self._model), partial(read, self._parallel)
        norm = self._config.virtual_adversarial_norm
        return virtual_adversarial_loss(look, learn, self._silence(ids), norm)

    def _silence(self, ids: Tensor) -> Tensor:
        """A noise of 0 (B, T, E)."""
        return torch.zeros((*ids.shape, self._model.config.embedding_size), device=ids.device)

    def _is_adversarial(self) -> bool:
        config = self._config
        begins = self._plan.starts[min(config.adversarial_after, self._plan.passes)]
        return config.adversarial_norm > 0 and self._progress.step >= begins

    def _dev_scores(self, model: Classifier) -> dict[str, float]:
        """Macro recall of each data set, among the labels that it can say; first their mean."""
        corpus = self._dev
        with self._autocast():
            logits = network_logits(
                model, corpus.store, corpus.sayable.shape[1], self._config, self._world.device
            )
        predicted = np.where(corpus.sayable, logits, NEVER).argmax(axis=-1)
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
