"""The one training loop."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from training.averaging import moving_average
from training.batching import Batch, TokenStore, collate
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load, save_atomically
from training.config import TrainingConfig
from training.corpus import Corpus
from training.distributed import World
from training.errors import TrainingError
from training.inference import corpus_logits
from training.interrupt import Interrupted, stop_requested
from training.logs import RunLog
from training.model import Classifier
from training.objectives import adversarial_noise, partial_label_loss
from training.plan import Plan
from training.pooling import NEVER
from training.precision import takes_bf16

LOG_EVERY_STEPS = 20


@dataclass
class Progress:
    """Where a run stands; with the weights, all that a checkpoint needs."""

    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    stale: int = 0
    """Evaluations since the best one."""


class Trainer:
    """Fits a classifier, keeping the averaged weights that score best on dev.

    Batches, windows and dropout are functions of (seed, pass or step, rank), so a run
    that was killed and resumed ends with the weights of one that was not.
    """

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
        self._config, self._folder, self._world = config, folder, world
        self._seed, self._fingerprint = seed, fingerprint
        self._bf16 = takes_bf16(config.precision, world.device)
        self._train, self._dev = train, dev
        self._model = model.to(world.device)
        self._parallel: nn.Module = (
            DistributedDataParallel(self._model) if world.size > 1 else self._model
        )
        average = moving_average(config.average_decay)
        self._average = AveragedModel(self._model, multi_avg_fn=average)
        self._plan = Plan(config, segmentations or [train.store] * config.reads, seed, world.size)
        cycles = accumulate((config.passes, *config.restarts), initial=0)
        self._cycle_starts = [self._plan.starts[passes] for passes in cycles]  # the end as well
        self._optimizer = torch.optim.AdamW(
            self._model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._progress = Progress()
        self._schedule = self._new_schedule()
        self._loss = torch.zeros(())

    def fit(self) -> Classifier:
        """Train to the end or until dev stops improving, and return the best weights.

        Continues from a checkpoint in the folder. Raises Interrupted after SIGINT or
        SIGTERM, once the checkpoint is on disk.
        """
        self._resume()
        log = RunLog(self._folder, self._progress.step) if self._world.leads else None
        try:
            with stop_requested() as stop:
                self._loop(stop, log)
        finally:
            if log:
                log.close()
        self._world.wait()
        self._model.load_state_dict(load(self._folder / BEST_FILE)["model"])
        return self._model.eval()

    def _loop(self, stop: list[bool], log: RunLog | None) -> None:
        progress, config = self._progress, self._config
        saved_at = time.monotonic()
        while progress.step < self._plan.total_steps and progress.stale < config.patience:
            number, done = self._plan.locate(progress.step)
            batches, steps = self._plan.batches(number), self._plan.steps(number)
            evaluate_at = {
                round(steps * (n + 1) / config.evaluations_per_pass)
                for n in range(config.evaluations_per_pass)
            }
            with self._bar(batches, number, done) as bar:
                for index in range(done, steps):
                    self._one_step(batches, index, self._plan.store(number), bar, log)
                    if index + 1 in evaluate_at:
                        self._judge(log)
                    if self._world.any(stop[0]):
                        self._stop()
                    if time.monotonic() - saved_at > config.checkpoint_every_s:
                        self._save()
                        saved_at = time.monotonic()
                    if progress.stale >= config.patience:
                        break
        self._save()

    def _stop(self) -> NoReturn:
        """Leave a checkpoint to resume from, and weights to export even before any was judged."""
        self._save()
        if self._world.leads and not self._progress.best_step:
            self._keep_weights()
        self._world.wait()  # torchrun ends the leader, too, when another process ends first
        raise Interrupted(
            f"stopped at step {self._progress.step} of {self._plan.total_steps}; "
            "the same command resumes from the checkpoint"
        )

    def _one_step(
        self, batches: list[Batch], index: int, store: TokenStore, bar: Any, log: RunLog | None
    ) -> None:
        # The last round may have fewer batches than processes: it starts again from the first.
        batch = batches[(index * self._world.size + self._world.rank) % len(batches)]
        began = time.perf_counter()
        self._loss = self._step(batch, store)
        self._progress.step += 1
        bar.update(batch.tokens * self._world.size)
        if self._progress.step % LOG_EVERY_STEPS == 0:
            value = self._finite_loss()
            bar.set_postfix(loss=f"{value:.3f}")
            if log:
                rate = batch.tokens * self._world.size / (time.perf_counter() - began)
                learning_rate = float(self._schedule.get_last_lr()[0])
                values = {"loss": value, "learning_rate": learning_rate, "tokens_per_s": rate}
                log.write("train", self._progress.step, values)

    def _step(self, batch: Batch, store: TokenStore) -> Tensor:
        config, device = self._config, self._world.device
        draw = (self._seed, self._progress.step, self._world.rank)
        rng = np.random.default_rng(draw)
        torch.manual_seed(int(rng.integers(2**63)))
        ids = torch.from_numpy(collate(store, batch, rng)).to(device)  # (B, T)
        targets = torch.from_numpy(self._train.targets[batch.rows]).to(device)
        sayable = torch.from_numpy(self._train.sayable[batch.rows]).to(device)
        self._parallel.train()
        self._optimizer.zero_grad()
        loss = self._backward(ids, targets, sayable)
        nn.utils.clip_grad_norm_(self._model.parameters(), config.clip_norm)
        self._optimizer.step()
        self._schedule.step()
        if self._progress.step + 1 in self._cycle_starts[:-1]:
            self._schedule = self._new_schedule(self._progress.step + 1)
        if config.average_decay:
            self._average.update_parameters(self._model)
        return loss.detach()

    def _backward(self, ids: Tensor, targets: Tensor, sayable: Tensor) -> Tensor:
        """Add the gradients of a batch, with those of its adversarial reading where asked for."""

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

    def _finite_loss(self) -> float:
        """The loss of the last step. Raises TrainingError when training has blown up."""
        value = self._loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {self._progress.step}; "
                "lower training.learning_rate or training.clip_norm"
            )
        return value

    def _judge(self, log: RunLog | None) -> None:
        """Score the averaged weights on dev, keep them when best, count when not."""
        self._finite_loss()
        progress = self._progress
        scores = self._dev_scores(self._judged) if self._world.leads else {}
        score = self._world.share(float(np.mean(list(scores.values()))) if scores else 0.0)
        if score > progress.best_score:
            progress.best_score, progress.best_step, progress.stale = score, progress.step, 0
            if self._world.leads:
                self._keep_weights()
        else:
            progress.stale += 1
        if log:
            log.write("dev", progress.step, {"mean": score, **scores})
            tqdm.write(
                f"step {progress.step}: dev {score:.4f}"
                f"{' (best)' if progress.stale == 0 else ''}; "
                + ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
            )

    @property
    def _judged(self) -> nn.Module:
        """The weights that are scored and kept."""
        return self._average.module if self._config.average_decay else self._model

    def _keep_weights(self) -> None:
        state = {"fingerprint": self._fingerprint, "model": self._judged.state_dict()}
        save_atomically(state, self._folder / BEST_FILE)

    def _dev_scores(self, model: nn.Module) -> dict[str, float]:
        """Macro recall of each data set, among the labels that it can say."""
        corpus, config = self._dev, self._config
        with self._autocast():
            logits = corpus_logits(
                model, corpus, config.max_tokens, config.batch_tokens, self._world.device
            )
        predicted = np.where(corpus.sayable, logits, NEVER).argmax(axis=-1)
        return {
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

    def _new_schedule(self, step: int = 0) -> torch.optim.lr_scheduler.OneCycleLR:
        """The schedule of the cycle that `step` lies in (Smith & Topin 2018), at its start."""
        starts = self._cycle_starts
        cycle = bisect_right(starts[:-1], step) - 1
        return torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            self._config.learning_rate / 3**cycle,
            total_steps=starts[cycle + 1] - starts[cycle] + 1,
            pct_start=self._config.warmup_share,
        )

    def _bar(self, batches: list[Batch], number: int, done: int) -> Any:
        per_step = self._world.size
        return tqdm(
            total=sum(batch.tokens for batch in batches),
            initial=sum(batch.tokens for batch in batches[: done * per_step]),
            desc=f"pass {number + 1}/{self._plan.passes}",
            unit="tok",
            unit_scale=True,
            smoothing=0.05,
            mininterval=0.5,
            disable=not self._world.leads,
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._world.device.type, torch.bfloat16, enabled=self._bf16)

    def _save(self) -> None:
        self._finite_loss()  # a checkpoint of broken weights would be resumed for ever
        if not self._world.leads:
            return
        state = {
            "fingerprint": self._fingerprint,
            "processes": self._world.size,
            "progress": vars(self._progress),
            "model": self._model.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        save_atomically(state, self._folder / CHECKPOINT_FILE)

    def _resume(self) -> None:
        path = self._folder / CHECKPOINT_FILE
        if not path.exists():
            return
        state = load(path)
        if (state["fingerprint"], state["processes"]) != (self._fingerprint, self._world.size):
            raise TrainingError(
                f"{path} is of a run with other settings, data or number of processes; "
                "pass --fresh to discard it, or another --output"
            )
        self._progress = Progress(**state["progress"])
        self._model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._schedule = self._new_schedule(self._progress.step)  # sets rates that are not to stay
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
