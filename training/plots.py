"""The plots of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import isnan
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from training.distance import PLACES, WHERE
from training.speed import Speed
from training.summaries import Summary, accuracy_of, auc_of

DOTS_PER_INCH = 100
CHANCE = 0.5
DARKEST = 1.3  # above 1, so that black figures can be read on every shade
COLOURS = 10
COLOURS_SAVED = 128
MARKERS = "osD^vP*"


def draw_accuracy(
    summaries: Sequence[Summary], speeds: Mapping[str, Speed], baseline: float, path: Path
) -> None:
    """Test accuracy against the parameters of the recurrent layers, and against ONNX speed.

    Bars reach from the least seed to the greatest; a dashed line is the linear baseline.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _scatter(left, summaries, [each.results[0].encoder_parameters for each in summaries])
    _scatter(right, summaries, [speeds[each.variant].onnx for each in summaries])
    for axes, label in (
        (left, "parameters of the recurrent layers"),
        (right, "tokens a second of one core, ONNX"),
    ):
        axes.set(xscale="log", xlabel=label)
        axes.grid(alpha=0.3)
        if not isnan(baseline):
            axes.axhline(100 * baseline, color="grey", linestyle="--", linewidth=1)
    left.set_ylabel("test accuracy, % (dashed: TF-IDF regression)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    _save(figure, path)


def draw_reach(summaries: Sequence[Summary], lengths: Sequence[int], path: Path) -> None:
    """Accuracy and area under ROC as maps: variants down, distance across, a map per place."""
    height = 1.2 + 0.22 * len(summaries)
    figure = Figure(figsize=(11, 2 * height), layout="constrained")
    rows = figure.subplots(2, len(PLACES), sharex=True, sharey=True, squeeze=False)
    measures = (("two-way accuracy, %", accuracy_of), ("area under ROC, %", auc_of))
    for panels, (title, measure) in zip(rows, measures, strict=True):
        for axes, place in zip(panels, PLACES, strict=True):
            shares = [[each.reach(place, n, measure) for n in lengths] for each in summaries]
            _map(axes, np.array(shares))
            axes.set_title(f"{title}: sentence {WHERE[place]}", fontsize=9)
    for axes in rows[-1]:
        axes.set_xticks(range(len(lengths)), [str(n) for n in lengths])
        axes.set_xlabel("neutral tokens")
    rows[0, 0].set_yticks(range(len(summaries)), [summary.variant for summary in summaries])
    _save(figure, path)


def _map(axes: Axes, shares: npt.NDArray[np.float64]) -> None:
    axes.imshow(shares, cmap="Blues", vmin=CHANCE, vmax=DARKEST, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)


def _scatter(axes: Axes, summaries: Sequence[Summary], positions: Sequence[float]) -> None:
    for index, (summary, x) in enumerate(zip(summaries, positions, strict=True)):
        accuracy = summary.spread(lambda result: result.test_accuracy)
        below, above = accuracy.mean - accuracy.least, accuracy.greatest - accuracy.mean
        axes.errorbar(
            x,
            100 * accuracy.mean,
            [[100 * below], [100 * above]],
            fmt=MARKERS[index % len(MARKERS)],
            color=f"C{index % COLOURS}",
            label=summary.variant,
        )


def _save(figure: Figure, path: Path) -> None:
    """As a PNG of few colours: a third of the bytes, and no difference to be seen."""
    content = BytesIO()
    figure.savefig(content, dpi=DOTS_PER_INCH)
    Image.open(content).convert("RGB").quantize(COLOURS_SAVED).save(path, optimize=True)
