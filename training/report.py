"""The figures that go with a bundle, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from training.datasets import Split
from training.evaluate import SetScores
from training.metrics import Figure

NO_TEST_ROWS = (
    "No data set has test rows: these are figures on the dev rows, by which the weights were "
    "chosen. Expect less on new texts."
)
SCORED = "Two-way accuracy compares positive with negative and leaves neutral rows out."


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


def calibration_markdown(scores: Mapping[str, SetScores], split: Split) -> str:
    """How far probabilities are from how often they are right, beside what chance makes of it."""
    lines = [
        "How far the probabilities are from how often they are right (expected calibration error, "
        "Guo et al. 2017), and how far they would be by chance if they were perfect, in percent:\n",
        f"| {split} set | labels | rows | calibration error | by chance |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name, found in scores.items():
        for each in (found.two_way, found.all_labels):
            if each and (error := each.calibration_error):
                figures = f"{100 * error.value:.1f} | {100 * error.by_chance:.1f}"
                lines.append(f"| {name} | {len(each.labels)} | {each.rows:,} | {figures} |")
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
