"""A bundle again in int8: the same network, faster, and no longer the same bits in any batch."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic

from service.bundle import CARD_FILE, METRICS_FILE, MODEL_FILE, TOKENIZER_FILE, Manifest
from service.engine import OnnxEngine
from service.model import Model, open_model
from training.datasets import DataSet
from training.errors import DataError, TrainingError
from training.evaluate import evaluate
from training.packing import Packed, check_can_pack, golden_text, replace_fields, write_bundle
from training.report import figures_table, metrics_table

PRECISION, ORIGINAL = "int8", "float32"


def quantize(
    source: Path, data_sets: Sequence[DataSet], target: Path, replace_existing: bool = False
) -> Packed:
    """Write the bundle at `source` to `target` with its recurrent layers in int8.

    Both are scored on the dev rows; calibration stays as it is. Raises TrainingError when
    `target` exists and may not be replaced, the bundle is in int8 already or no data set has
    dev rows, BundleError for a bundle that cannot be read.
    """
    check_can_pack(target, replace_existing)
    if not any(len(data_set.dev) for data_set in data_sets):
        raise DataError("no data set has dev rows to score")
    original = open_model(source)
    if original.manifest.precision == PRECISION:
        raise TrainingError(f"{source} is in {PRECISION} already")
    model = _open_quantized(original, target)
    golden = tuple(golden_text(model, golden.text) for golden in original.manifest.golden)
    manifest = replace_fields(model.manifest, golden=golden)
    scores, beside = evaluate(model, data_sets, "dev"), evaluate(original, data_sets, "dev")
    figures = figures_table(scores, beside, "dev", ORIGINAL)
    metrics = json.dumps(metrics_table(scores, beside, "dev", ORIGINAL), indent=1)
    files = {
        MODEL_FILE: model.bundle.model,
        TOKENIZER_FILE: model.bundle.tokenizer,
        METRICS_FILE: metrics.encode(),
        CARD_FILE: _card(original.manifest, figures).encode(),
    }
    write_bundle(target, manifest, files)
    return Packed(target, figures)


def quantize_graph(graph: bytes) -> bytes:
    """A graph with its LSTMs in int8, activations quantised anew in each run.

    Weights unsigned: sums of signed ones overflow on CPUs without VNNI, and would differ there.
    """
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(graph)
        logging.disable(logging.WARNING)  # it advises to optimise first, which the session does
        try:
            quantize_dynamic(
                before, after, op_types_to_quantize=["LSTM"], weight_type=QuantType.QUInt8
            )
        finally:
            logging.disable(logging.NOTSET)
        return after.read_bytes()


def _open_quantized(original: Model, target: Path) -> Model:
    graph = quantize_graph(original.bundle.model)
    version = f"{original.manifest.version}-{PRECISION}"
    manifest = replace_fields(original.manifest, version=version, precision=PRECISION)
    bundle = replace(original.bundle, path=target, manifest=manifest, model=graph)
    return Model(bundle, original.tokenizer, OnnxEngine(graph, manifest.onnx))


def _card(original: Manifest, figures: str) -> str:
    return f"""# {original.name} {original.version} in int8

Made of the bundle {original.name} {original.version}, whose card says what it learnt from and what
it is for. Its recurrent layers compute in int8 by weights and activations rounded to 256 steps.

**A text's answer depends a little on the texts that run beside it**, since their activations are
rounded together: probabilities differ in the second or third decimal, and a text near the border
between two labels may get the other one.

## How right it is

{figures}
"""
