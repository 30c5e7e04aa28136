"""The one training loop, whatever is learnt."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from training.averaging import moving_average
from training.batching import Batch, Int, TokenStore, collate
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load, save_atomically
from training.config import LoopConfig
from training.distributed import World
from training.errors import TrainingError
from training.interrupt import Interrupted, stop_requested
from training.logs import RunLog
from training.plan import Plan
from training.precision import takes_bf16

LOG_EVERY_STEPS = 20

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Group:
    """Parameters that learn at one rate, from one step on."""

    parameters: Sequence[nn.Parameter]
    rate: float
    begins: int = 0


@dataclass
class Progress:
    """Where a run stands; with the weights, all that a checkpoint needs."""

    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    stale: int = 0
    """Evaluations since the best one."""


class Loop(ABC, Generic[Network]):
    """Fits a network, keeping the averaged weights that score best on held-out texts.

    Batches, windows and dropout are functions of (seed, pass or step, rank), so a run
    that was killed and resumed ends with the weights of one that was not.
    """

    table = "training"
    """Of the run file, where the loop's settings are."""
    remedy = "pass --fresh to discard it, or another --output"
    """What to do about a checkpoint of another run."""

    def __init__(
        self,
        config: LoopConfig,
        model: Network,
        plan: Plan,
        groups: Sequence[Group],
        folder: Path,
        world: World,
        seed: int,
        fingerprint: str,
    ) -> None:
        self._config, self._folder, self._world = config, folder, world
        self._seed, self._fingerprint = seed, fingerprint
        self._bf16 = takes_bf16(config.precision, world.device)
        self._model = model.to(world.device)
        self._parallel: nn.Module = self._model
        self._average = AveragedModel(
            self._model, multi_avg_fn=moving_average(config.average_decay)
        )
        self._plan, self._groups = plan, groups
        cycles = accumulate((config.passes, *config.restarts), initial=0)
        self._cycle_starts = [plan.starts[passes] for passes in cycles]  # the end as well
        self._optimizer = torch.optim.AdamW(
            [{"params": list(group.parameters), "lr": group.rate} for group in groups],
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._progress = Progress()
        self._learning = 0  # groups
        self._schedule = self._new_schedule()
        self._loss = torch.zeros(())

    @abstractmethod
    def _backward(self, ids: Tensor, rows: Int) -> Tensor:
        """Add the gradients of a batch, and return its loss: ids (B, T), its rows (B,)."""

    @abstractmethod
    def _dev_scores(self, model: Network) -> dict[str, float]:
        """How good the weights are on held-out texts; by the first, the best are chosen."""

    def _notes(self) -> Mapping[str, Any]:
        """What is kept beside the best weights."""
        return {}

    def fit(self) -> Network:
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
        """Leave a checkpoint to resume from, and weights to use even before any was judged."""
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
        self._thaw()
        self._parallel.train()
        self._optimizer.zero_grad()
        loss = self._backward(ids, batch.rows)
        nn.utils.clip_grad_norm_(self._model.parameters(), config.clip_norm)
        self._optimizer.step()
        self._schedule.step()
        if self._progress.step + 1 in self._cycle_starts[:-1]:
            self._schedule = self._new_schedule(self._progress.step + 1)
        if config.average_decay:
            self._average.update_parameters(self._model)
        return loss.detach()

    def _thaw(self) -> None:
        """Let the groups learn whose turn has come, and no others."""
        learning = [group for group in self._groups if group.begins <= self._progress.step]
        if len(learning) == self._learning:
            return
        self._learning = len(learning)
        for group in self._groups:
            for parameter in group.parameters:
                parameter.requires_grad_(group in learning)
        if self._world.size > 1:  # anew, for it knows the parameters that learnt when it was made
            self._parallel = DistributedDataParallel(self._model)

    def _finite_loss(self) -> float:
        """The loss of the last step. Raises TrainingError when training has blown up."""
        value = self._loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {self._progress.step}; "
                f"lower {self.table}.learning_rate or {self.table}.clip_norm"
            )
        return value

    def _judge(self, log: RunLog | None) -> None:
        """Score the averaged weights on dev, keep them when best, count when not."""
        self._finite_loss()
        progress = self._progress
        scores = self._dev_scores(self._judged) if self._world.leads else {}
        score = self._world.share(next(iter(scores.values()), 0.0))
        if score > progress.best_score:
            progress.best_score, progress.best_step, progress.stale = score, progress.step, 0
            if self._world.leads:
                self._keep_weights()
        else:
            progress.stale += 1
        if log:
            log.write("dev", progress.step, scores)
            tqdm.write(
                f"step {progress.step}: dev "
                + ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
                + (" (best)" if progress.stale == 0 else "")
            )

    @property
    def _judged(self) -> Network:
        """The weights that are scored and kept."""
        averaged = cast(Network, self._average.module)
        return averaged if self._config.average_decay else self._model

    def _keep_weights(self) -> None:
        state = {"fingerprint": self._fingerprint, "model": self._judged.state_dict()}
        save_atomically({**state, **self._notes()}, self._folder / BEST_FILE)

    def _new_schedule(self, step: int = 0) -> torch.optim.lr_scheduler.OneCycleLR:
        """The schedule of the cycle that `step` lies in (Smith & Topin 2018), at its start."""
        starts = self._cycle_starts
        cycle = bisect_right(starts[:-1], step) - 1
        return torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            [group.rate / 3**cycle for group in self._groups],
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
                f"{self.remedy}"
            )
        self._progress = Progress(**state["progress"])
        self._model.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._schedule = self._new_schedule(self._progress.step)  # sets rates that are not to stay
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
