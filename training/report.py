"""The model card and the figures that go with a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from training.config import RunConfig
from training.datasets import DataSet, Split
from training.evaluate import SetScores
from training.metrics import Figure

NO_TEST_ROWS = (
    "No data set has test rows: these are figures on the dev rows, by which the weights were "
    "chosen. Expect less on new texts."
)
SCORED = "Two-way accuracy compares positive with negative and leaves neutral rows out."


def _start_line(run: RunConfig) -> str:
    """What the network was before it was a classifier."""
    if run.vectors:
        return f"\n- The embedding started from word vectors: {run.vectors}."
    if run.pretraining:
        others = " and on those without labels" if run.unlabelled else ""
        return f"\n- Pretrained as a language model on the train texts below{others}."
    return "\n- Started from a pretrained language model." if run.training.start else ""


def _ngrams_line(run: RunConfig) -> str:
    if run.ngrams is None:
        return ""
    return (
        "\n- Beside it, a linear model over pieces and pairs of pieces "
        f"({run.ngrams.buckets:,} rows for all pairs), whose logits are added."
    )


def metrics_table(
    scores: Mapping[str, SetScores],
    baselines: Mapping[str, SetScores],
    split: Split,
    baseline: str = "tfidf_logistic_regression",
) -> dict[str, Any]:
    """What metrics.json holds: per data set the split, the model's scores and the baseline's."""
    return {
        name: {
            "split": split,
            "model": asdict(scores[name]),
            baseline: asdict(baselines[name]) if name in baselines else None,
        }
        for name in scores
    }


def figures_markdown(
    scores: Mapping[str, SetScores], baselines: Mapping[str, SetScores], split: Split
) -> str:
    """Every figure beside the baseline's, and a note where they are not of test rows."""
    note = [NO_TEST_ROWS, ""] if split == "dev" else []
    return "\n".join([*note, figures_table(scores, baselines, split, "TF-IDF regression")])


def figures_table(
    scores: Mapping[str, SetScores], baselines: Mapping[str, SetScores], split: Split, baseline: str
) -> str:
    """Every figure in one table, percent with 95% confidence intervals."""
    lines = [
        f"| {split} set | measure | rows | model | {baseline} |",
        "| --- | --- | ---: | --- | --- |",
    ]
    for name, found in scores.items():
        for label, rows, figure, beside in _measures(found, baselines.get(name)):
            lines.append(f"| {name} | {label} | {rows:,} | {figure} | {beside or '-'} |")
    return "\n".join(lines)


def _measures(
    found: SetScores, baseline: SetScores | None
) -> list[tuple[str, int, Figure, Figure | None]]:
    measures: list[tuple[str, int, Figure, Figure | None]] = []
    if two_way := found.two_way:
        beside = baseline.two_way.accuracy if baseline and baseline.two_way else None
        measures.append(("two-way accuracy", two_way.rows, two_way.accuracy, beside))
    if every := found.all_labels:
        other = baseline.all_labels if baseline else None
        accuracy, recall = (other.accuracy, other.macro_recall) if other else (None, None)
        ways = f"{len(every.labels)}-way"
        measures += [
            (f"{ways} accuracy", every.rows, every.accuracy, accuracy),
            (f"{ways} macro recall", every.rows, every.macro_recall, recall),
        ]
    return measures


def model_card(
    run: RunConfig,
    labels: Sequence[str],
    data_sets: Sequence[DataSet],
    figures: str,
    parameters: int,
    calibration: Mapping[str, float],
    split: Split,
) -> str:
    """MODEL_CARD.md: what the model is, what it learnt from, how right it is, and its limits."""
    network = run.model
    directions = "two directions" if network.bidirectional else "one direction"
    rows = "\n".join(
        f"| {d.name} | {d.source.language or '-'} | {'/'.join(d.labels)} "
        f"| {len(d.train):,} | {len(d.dev):,} | {len(d.test):,} |"
        for d in data_sets
    )
    origin = "Test sets, read once," if split == "test" else "Dev sets,"
    distilled = run.distillation is not None
    neutral_from = "the three-way sets and the teachers" if distilled else "the three-way sets"
    temperatures = ", ".join(f"{key}: {value:.2f}" for key, value in calibration.items())
    return f"""# {run.name} {run.version}

{run.description}

## The model

- Labels: {", ".join(labels)}. Languages: {", ".join(run.languages) or "as in the data"}.
- Network: sentencepiece pieces -> embedding of {network.embedding_size} -> {network.layers}
  layer(s) of {network.cell.upper()} with {network.hidden_size} units in {directions} ->
  {" and ".join(network.pooling)} pooling -> linear. {parameters:,} parameters; the embedding is
  stored as float16.{_start_line(run)}{_ngrams_line(run)}
- Reads texts of up to {run.max_tokens:,} tokens whole. A text's answer does not depend on the
  texts beside it.
- Trained once, with seed {run.seed}. Weights are an average over training, chosen on dev rows;
  probabilities are calibrated on dev rows (temperature {temperatures}).

## How right it is

{origin} through the ONNX file of this bundle; percent with 95% confidence intervals
(Wilson for accuracy, normal for macro recall). {SCORED} A figure over a set's own labels chooses
among those labels only. Beside each: TF-IDF with logistic regression, fitted on the train rows of
that set (its strength chosen on dev).

{figures}

## What it learnt from

| data set | language | labels | train | dev | test |
| --- | --- | --- | ---: | ---: | ---: |
{rows}

A set without neutral rows teaches only positive against negative. SHA-256 of each file is in
manifest.json, with the run file's settings.
{_lessons(run)}
## Limits

- It knows the kinds of text above. On others, sarcasm, comparison and mixed opinions, expect less:
  measure on your own labelled texts with `python -m training evaluate`.
- Neutral is learnt from {neutral_from} alone.
- Probabilities are calibrated on texts like the training data's, not on yours.
- It judges texts, not people; do not use it to decide about a person.
"""


def _lessons(run: RunConfig) -> str:
    """A paragraph on what a model learnt from beside labelled texts; empty for nothing."""
    sentences = []
    if run.unlabelled:
        files = ", ".join(source.file for source in run.unlabelled)
        sentences.append(f"It also read texts without labels: {files}.")
    if run.distillation:
        names = [each.bundle or each.hugging_face for each in run.distillation.teachers]
        teachers = ", ".join(map(str, names)) or (
            f"{run.distillation.folds} networks like itself, each asked about rows that it had "
            "not seen"
        )
        sentences.append(f"Taught by {teachers} (distillation, Hinton et al. 2015).")
    return "\n" + " ".join(sentences) + "\n" if sentences else ""
