"""Plots of answers, as PNG files: one peer's on one set, and all peers' on all sets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from training.evaluate import Answered
from training.metrics import ReliabilityBin, Scores
from training.peers import SideBySide
from training.plots import COLOURS, MARKERS

CENTIMETRE = 1 / 2.54  # in inches
PANELS_A_ROW = 4
PANEL = 6.5  # centimetres wide and high
LETTER, LINE = 0.17, 0.55  # likewise, of the legend


def plot_answers(title: str, scores: Scores, bins: Sequence[ReliabilityBin]) -> bytes:
    """The reliability diagram beside the confusion matrix."""
    figure = Figure(figsize=(24 * CENTIMETRE, 11 * CENTIMETRE), layout="constrained")
    figure.suptitle(f"{title}, {scores.rows:,} rows")
    left, right = figure.subplots(1, 2)
    _draw_reliability(left, bins)
    _draw_confusion(right, scores)
    return _png(figure)


def plot_peers(answered_sets: Sequence[SideBySide]) -> bytes:
    """Accuracy with its interval against speed, a panel a set and a mark a peer."""
    peers = list(dict.fromkeys(name for found in answered_sets for name in found.answered))
    columns = min(len(answered_sets), PANELS_A_ROW)
    rows = -(-len(answered_sets) // columns)
    entry = LETTER * max(map(len, peers)) + 1.5
    width = max(columns * PANEL, entry + 1)
    abreast = min(int(width / entry), len(peers))
    height = rows * PANEL + -(-len(peers) // abreast) * LINE
    size = (width * CENTIMETRE, height * CENTIMETRE)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    marks = {
        peer: Line2D([], [], marker=marker, color=f"C{index % COLOURS}", linestyle="")
        for index, (peer, marker) in enumerate(zip(peers, cycle(MARKERS), strict=False))
    }
    for axes, found in zip(panels, answered_sets, strict=False):
        for peer, answered in found.answered.items():
            _draw_mark(axes, answered, marks[peer])
        axes.set_title(found.title, fontsize=9)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8, labelbottom=True)
    for axes in panels[len(answered_sets) :]:
        axes.set_axis_off()
    _scale_speed(panels[0])
    figure.supxlabel("texts per second of processor time", fontsize=9)
    figure.supylabel("accuracy, %", fontsize=9)
    handles = list(marks.values())
    figure.legend(handles, peers, loc="outside upper center", ncols=abreast, fontsize=9)
    return _png(figure)


def _scale_speed(axes: Axes) -> None:
    """The x axis that all panels share, with numbers also where it spans less than a decade."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_mark(axes: Axes, answered: Answered, mark: Line2D) -> None:
    accuracy = answered.scores.accuracy
    below, above = accuracy.value - accuracy.low, accuracy.high - accuracy.value
    axes.errorbar(
        answered.texts_per_s,
        100 * accuracy.value,
        [[100 * below], [100 * above]],
        marker=mark.get_marker(),
        color=mark.get_color(),
    )


def _png(figure: Figure) -> bytes:
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
