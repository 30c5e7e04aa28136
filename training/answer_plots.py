"""Plots of one set of answers, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.metrics import ReliabilityBin, Scores

CENTIMETRE = 1 / 2.54  # in inches


def plot_answers(title: str, scores: Scores, bins: Sequence[ReliabilityBin]) -> bytes:
    """The reliability diagram beside the confusion matrix."""
    figure = Figure(figsize=(24 * CENTIMETRE, 11 * CENTIMETRE), layout="constrained")
    figure.suptitle(f"{title}, {scores.rows:,} rows")
    left, right = figure.subplots(1, 2)
    _draw_reliability(left, bins)
    _draw_confusion(right, scores)
    png = io.BytesIO()
    # Without this, the file would name the version that drew it and differ with each.
    figure.savefig(png, format="png", dpi=120, metadata={"Software": None})
    return png.getvalue()


def _draw_reliability(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    rows = np.array([found.rows for found in bins])
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="as sure as right")
    axes.scatter(
        [found.confidence for found in bins],
        [found.accuracy for found in bins],
        s=20 + 180 * rows / rows.max(),
        alpha=0.8,
        label="area: rows",
    )
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title("Reliability")
    axes.legend(loc="upper left")


def _draw_confusion(axes: Axes, scores: Scores) -> None:
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{counts[row, column]:,}\n{100 * share:.0f}%"
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    ticks = range(len(scores.labels))
    axes.set_xticks(ticks, scores.labels)
    axes.set_yticks(ticks, scores.labels, rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title("Confusion")
