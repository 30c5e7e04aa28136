"""Encoders and poolings compared at one budget, each through the graph that would be served."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean

from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from service.tokenizer import Tokenizer
from training.baseline import evaluate_baselines
from training.batching import cropped_lengths
from training.config import RunConfig
from training.datasets import DataSet
from training.distance import Reach, has_probes, measure_reach
from training.distributed import World
from training.errors import ConfigError, DataError, TrainingError
from training.evaluate import SetScores, evaluate
from training.packing import export_in_memory
from training.run import Prepared, Trained, discard, fingerprint, fit, prepare, teach
from training.speed import Clock, Speed, measure_speed
from training.variants import Variant

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Result:
    """One variant trained with one seed."""

    variant: str
    seed: int
    fingerprint: str
    parameters: int
    encoder_parameters: int
    """Those of the recurrent layers: the embedding is the same for all."""
    train_tokens: int
    """Where segmentations are drawn, the texts have a few more, alike for all of a seed."""
    dev_accuracy: float
    test_accuracy: float
    reach: tuple[Reach, ...]


@dataclass(frozen=True)
class Comparison:
    """All results, and what they share."""

    run: RunConfig
    data_sets: Sequence[DataSet]
    results: Sequence[Result]
    speeds: Mapping[str, Speed]
    """Of each variant; measured anew each time, for they belong to the machine."""
    baseline: float
    """Test accuracy of TF-IDF with logistic regression; NaN where none can be fitted."""


_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


def compare(
    run: RunConfig,
    variants: Sequence[Variant],
    seeds: int,
    data_folder: Path,
    folder: Path,
    world: World,
    clock: Clock,
) -> Comparison:
    """Train, export and measure every variant with `seeds` seeds, from the run's own on.

    Every network sees the same tokens: the same passes over the same data, none stopped
    early. What lies in `folder` already is not done again. Raises as `train` does,
    ExportError for a graph that disagrees with its network, DataError for data without
    test rows, and ConfigError for a run that pretrains.
    """
    if world.size > 1:
        raise TrainingError("compare runs in one process: start it without torchrun")
    jobs = [
        (variant.name, _of_variant(run, variant, run.seed + later))
        for later, variant in product(range(seeds), variants)
    ]
    if run.pretraining or run.training.start is not None:
        raise ConfigError("compare trains from scratch: no [pretraining] and no training.start")
    prepared = teach(run, prepare(run, data_folder, folder, world), folder, world)
    if not any(len(data_set.test) for data_set in prepared.data_sets):
        raise DataError("no test rows: name a test split")
    bench = _Bench(prepared, _tokens_read(run, prepared), folder, world)
    results: list[Result] = []
    for number, (name, job) in enumerate(jobs, 1):
        result = bench.result_of(name, job)
        results.append(result)
        print(
            f"[{number}/{len(jobs)}] {name}, seed {job.seed}: "
            f"dev {100 * result.dev_accuracy:.1f}, test {100 * result.test_accuracy:.1f}",
            flush=True,
        )
    speeds = {
        variant.name: measure_speed(_of_variant(run, variant, run.seed), prepared, clock)
        for variant in tqdm(variants, desc="speed", unit="variant")
    }
    baseline = _mean_accuracy(evaluate_baselines(prepared.data_sets))
    return Comparison(run, prepared.data_sets, results, speeds, baseline)


def _of_variant(run: RunConfig, variant: Variant, seed: int) -> RunConfig:
    """The run of one variant and seed, patient to the end: the budget is to be equal."""
    patience = 1 + run.training.reads * run.training.evaluations_per_pass
    training = replace(run.training, patience=patience)
    return replace(run, seed=seed, model=variant.of(run.model), training=training)


def _tokens_read(run: RunConfig, prepared: Prepared) -> int:
    """Tokens that each network is trained on, over all passes."""
    train = prepared.corpus(Tokenizer(prepared.tokenizer))
    lengths = cropped_lengths(train.store.lengths, run.training.max_tokens)
    return int(lengths.sum()) * run.training.reads


@dataclass(frozen=True)
class _Bench:
    """What every variant shares."""

    prepared: Prepared
    train_tokens: int
    folder: Path
    world: World

    def result_of(self, variant: str, run: RunConfig) -> Result:
        """The result in the folder, or a new one, left there."""
        own = self.folder / f"{variant}-seed-{run.seed}"
        path = own / RESULT_FILE
        digest = fingerprint(run, self.prepared)
        if path.exists():
            return _read_result(path, digest)
        trained = fit(run, self.prepared, own, self.world)
        result = self._measure(variant, run, trained, own, digest)
        partial = path.with_suffix(".partial")
        partial.write_bytes(_RESULT.dump_json(result, indent=1))
        partial.replace(path)
        discard(own)  # the weights of dozens of runs, which nothing needs any more
        return result

    def _measure(
        self, variant: str, run: RunConfig, trained: Trained, own: Path, digest: str
    ) -> Result:
        network = trained.model
        model = export_in_memory(run, trained, own)
        return Result(
            variant=variant,
            seed=run.seed,
            fingerprint=digest,
            parameters=sum(weight.numel() for weight in network.parameters()),
            encoder_parameters=sum(weight.numel() for weight in network.encoder.parameters()),
            train_tokens=self.train_tokens,
            dev_accuracy=_mean_accuracy(evaluate(model, trained.data_sets, "dev")),
            test_accuracy=_mean_accuracy(evaluate(model, trained.data_sets)),
            reach=tuple(measure_reach(model)) if has_probes(model.manifest) else (),
        )


def _read_result(path: Path, expected: str) -> Result:
    try:
        result = _RESULT.validate_json(path.read_bytes())
    except ValidationError as error:
        raise TrainingError(f"{path}: not a result of this version; remove it") from error
    if result.fingerprint != expected:
        raise TrainingError(
            f"{path} is of a run with other settings or data; pass another --output"
        )
    return result


def _mean_accuracy(scores: Mapping[str, SetScores]) -> float:
    """Mean over data sets of two-way accuracy, or of accuracy where a set has other labels.

    NaN without any.
    """
    found = [each.two_way or each.all_labels for each in scores.values()]
    values = [each.accuracy.value for each in found if each]
    return fmean(values) if values else math.nan
