"""A bundle, opened: tokenizer, engine and calibration, checked against its golden texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from service.bundle import MODEL_FILE, Bundle, Manifest, read_bundle
from service.engine import Engine, Float32, OnnxEngine, Provider, pad
from service.errors import BundleError
from service.planner import BatchBudget, CostModel, plan
from service.postprocess import Float64, probabilities
from service.tokenizer import Tokenizer
from service.warmup import fit_cost

GOLDEN_TOLERANCE = 1e-3  # providers and CPUs round differently, by far less than this
OFFLINE_BUDGET = BatchBudget(tokens=16384, texts=256)
TYPICAL_COST = CostModel(fixed_s=1e-4, step_s=3e-6, token_s=4e-6)


class Model:
    """A ready model: what the server batches for, and what training evaluates with."""

    def __init__(self, bundle: Bundle, tokenizer: Tokenizer, engine: Engine) -> None:
        self.bundle = bundle
        self.tokenizer = tokenizer
        self.engine = engine
        self.cost = TYPICAL_COST

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    def logits(self, token_ids: Sequence[Sequence[int]]) -> Float32:
        """Logits (B, C) of one batch; each text has at least one token."""
        return self.engine.run(*pad(token_ids, self.manifest.pad_id))

    def logits_of_many(self, token_ids: Sequence[Sequence[int]]) -> Float32:
        """Logits (N, C) of any number of texts, planned into batches and put back in order."""
        result = np.empty((len(token_ids), len(self.manifest.labels)), dtype=np.float32)
        lengths = [len(ids) for ids in token_ids]
        for batch in plan(lengths, self.cost, OFFLINE_BUDGET):
            result[batch] = self.logits([token_ids[index] for index in batch])
        return result

    def probabilities(self, logits: Float32) -> Float64:
        """Calibrated probabilities (B, C) over the bundle's labels."""
        return probabilities(logits, self.manifest.temperature)

    def warm_up(self, clock: Callable[[], float]) -> None:
        """Measure what runs cost here; until then a typical machine's cost is assumed."""
        self.cost = fit_cost(self.engine, self.manifest.unk_id, clock)

    def check_golden(self) -> None:
        """Run the golden texts; raise BundleError when one gives other probabilities."""
        for golden in self.manifest.golden:
            row = self._score_golden(golden.text)
            for label, got in zip(self.manifest.labels, row, strict=True):
                expected = golden.scores[label]
                if not abs(got - expected) <= GOLDEN_TOLERANCE:
                    raise BundleError(
                        f"{self.bundle.path}: golden text {golden.text!r} gives {label} "
                        f"{got:.4f}, the manifest says {expected:.4f}"
                    )

    def _score_golden(self, text: str) -> Float64:
        """Probabilities (C,) of a text, or BundleError when the graph cannot run it."""
        classes = len(self.manifest.labels)
        try:
            logits = self.logits([self.tokenizer.encode(text)])
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            raise BundleError(
                f"{self.bundle.path}: golden text {text!r} does not run ({error})"
            ) from error
        if logits.shape != (1, classes):
            raise BundleError(
                f"{self.bundle.path}: {MODEL_FILE} gives logits of shape {logits.shape}, "
                f"the manifest has {classes} labels"
            )
        return self.probabilities(logits)[0]  # type: ignore[no-any-return]


def open_model(path: Path, provider: Provider = "cpu", threads: int = 1) -> Model:
    """Read, verify and load the bundle at `path`.

    Raises BundleError with the reason when the bundle cannot be trusted, ProviderError
    when `provider` insists on CUDA that is not there.
    """
    bundle = read_bundle(path)
    tokenizer, engine = _load(bundle, provider, threads)
    _check_tokenizer(bundle, tokenizer)
    model = Model(bundle, tokenizer, engine)
    model.check_golden()
    return model


def _load(bundle: Bundle, provider: Provider, threads: int) -> tuple[Tokenizer, OnnxEngine]:
    manifest = bundle.manifest
    try:
        engine = OnnxEngine(bundle.model, manifest.onnx, provider, threads)
        return Tokenizer(bundle.tokenizer), engine
    except BundleError as error:  # they know their file, but not which bundle it lies in
        raise BundleError(f"{bundle.path}: {error}") from error


def _check_tokenizer(bundle: Bundle, tokenizer: Tokenizer) -> None:
    manifest = bundle.manifest
    if (tokenizer.pad_id, tokenizer.unk_id) != (manifest.pad_id, manifest.unk_id):
        raise BundleError(
            f"{bundle.path}: the tokenizer has pad {tokenizer.pad_id} and unk {tokenizer.unk_id}, "
            f"the manifest says {manifest.pad_id} and {manifest.unk_id}"
        )
