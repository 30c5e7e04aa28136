"""From trained weights to a bundle: export, calibrate, evaluate, write."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from service.bundle import (
    CARD_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    Bundle,
    GoldenText,
    Manifest,
    OnnxSpec,
    sha256,
)
from service.engine import OnnxEngine
from service.model import Model, open_model
from service.tokenizer import Tokenizer
from training.baseline import evaluate_baselines
from training.card import model_card
from training.config import RunConfig, run_as_dict
from training.errors import ExportError, TrainingError
from training.evaluate import evaluate, fit_temperatures, scored_split
from training.export import (
    OPSET,
    PARITY_TOLERANCE,
    build_graph,
    largest_difference,
    round_embedding,
)
from training.fitting import Trained
from training.report import calibration_markdown, figures_markdown, metrics_table
from training.weak_spots import weak_spots_markdown

PARITY_LENGTHS = (1, 2, 3, 7, 19, 64, 200)


@dataclass(frozen=True)
class Packed:
    """A bundle on disk, and its figures as a table."""

    path: Path
    figures: str


def pack(run: RunConfig, trained: Trained, target: Path, replace_existing: bool = False) -> Packed:
    """Export, calibrate on dev, evaluate beside the baseline, and write the bundle.

    It is evaluated on test, or on dev where no data set has test rows.

    Raises ExportError when the graph disagrees with the network by more than 1e-5, and
    TrainingError when `target` exists and may not be replaced.
    """
    check_can_pack(target, replace_existing)
    model = export_in_memory(run, trained, target)
    bundle = model.bundle
    manifest = replace_fields(
        bundle.manifest, calibration=fit_temperatures(model, trained.data_sets)
    )
    model = Model(replace(bundle, manifest=manifest), model.tokenizer, model.engine)
    manifest = replace_fields(
        manifest, golden=tuple(golden_text(model, text) for text in run.golden)
    )
    split = scored_split(trained.data_sets)
    scores = evaluate(model, trained.data_sets, split)
    baselines = evaluate_baselines(trained.data_sets, split)
    figures = figures_markdown(scores, baselines, split)
    sections = (
        figures,
        calibration_markdown(scores, split),
        weak_spots_markdown(model, trained.data_sets, split),
    )
    card = model_card(
        run,
        trained,
        "\n\n".join(filter(None, sections)),
        manifest.calibration,
        split,
    )
    metrics = json.dumps(metrics_table(scores, baselines, split), indent=1)
    files = {
        MODEL_FILE: bundle.model,
        TOKENIZER_FILE: bundle.tokenizer,
        METRICS_FILE: metrics.encode(),
        CARD_FILE: card.encode(),
    }
    write_bundle(target, manifest, files)
    return Packed(target, figures)


def export_in_memory(run: RunConfig, trained: Trained, target: Path) -> Model:
    """The exported graph as a model to evaluate, named by `target`, not yet calibrated.

    Raises ExportError when the graph disagrees with the network by more than 1e-5.
    """
    bundle = _provisional(run, trained, target)
    model = Model(
        bundle, Tokenizer(bundle.tokenizer), OnnxEngine(bundle.model, bundle.manifest.onnx)
    )
    _check_parity(trained, model)
    return model


def check_can_pack(target: Path, replace_existing: bool) -> None:
    """Raises TrainingError when a bundle lies there that may not be replaced."""
    if target.exists() and not replace_existing:
        raise TrainingError(f"{target} exists; pass --replace, or another --models or name")


def write_bundle(target: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write to a temporary folder, open it as the service would, and rename: never half there.

    The manifest gets the hashes of `files`. Raises BundleError when the service would
    refuse the bundle.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    hashes = {name: sha256(content) for name, content in files.items()}
    manifest = replace_fields(manifest, files=hashes)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        (partial / MANIFEST_FILE).write_text(
            manifest.model_dump_json(indent=1) + "\n", encoding="utf-8"
        )
        partial.chmod(0o755)
        open_model(partial)
        _swap(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def replace_fields(manifest: Manifest, **fields: object) -> Manifest:
    """A manifest with some fields changed, checked again."""
    return Manifest.model_validate({**manifest.model_dump(), **fields})


def _swap(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _provisional(run: RunConfig, trained: Trained, target: Path) -> Bundle:
    """The bundle in memory, not yet calibrated, with the weights as they will be stored."""
    round_embedding(trained.model)
    spec = OnnxSpec(opset=OPSET)
    graph = build_graph(trained.model.cpu(), spec).SerializeToString()
    tokenizer = Tokenizer(trained.tokenizer)
    manifest = Manifest(
        name=run.name,
        version=run.version,
        labels=trained.labels,
        languages=run.languages,
        max_tokens=run.max_tokens,
        pad_id=tokenizer.pad_id,
        unk_id=tokenizer.unk_id,
        onnx=spec,
        calibration={},
        files={MODEL_FILE: sha256(graph), TOKENIZER_FILE: sha256(trained.tokenizer)},
        run=run_as_dict(run),
        data={
            **{name: digest for d in trained.data_sets for name, digest in d.hashes.items()},
            **{each.source.file: each.hash for each in trained.unlabelled},
        },
        commit=_commit(),
        golden=(GoldenText(text="", scores=dict.fromkeys(trained.labels, 0.0)),),
    )
    return Bundle(target, manifest, graph, trained.tokenizer)


def _check_parity(trained: Trained, model: Model) -> None:
    rng = np.random.default_rng(0)
    texts = [rng.integers(2, model.tokenizer.vocab_size, n).tolist() for n in PARITY_LENGTHS]
    difference = largest_difference(trained.model, model.engine, texts)
    if not difference <= PARITY_TOLERANCE:
        raise ExportError(
            f"the ONNX graph differs from the network by {difference:.1e}, "
            f"more than {PARITY_TOLERANCE:.0e}"
        )


def golden_text(model: Model, text: str) -> GoldenText:
    """A text with what a model says of it."""
    row = model.probabilities(model.logits([model.tokenizer.encode(text)]))[0]
    scores = dict(zip(model.manifest.labels, (round(p, 6) for p in row.tolist()), strict=True))
    return GoldenText(text=text, scores=scores)


def _commit() -> str | None:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None  # not a checkout
    return found.stdout.strip()
