"""The picture of a text's gates: heat maps, words along x, the deciding units along y."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from service.postprocess import Float64
from training.fonts import find_fonts
from training.gates import Direction, GateReading

UNITS = 12
WRITTEN, LEFT, KEPT = "#c9d4de", "#0b6e4f", "#c2571a"
TITLES = {
    "input": "input gate i",
    "forget": "forget gate f",
    "candidate": "candidate",
    "output": "output gate o",
    "cell": "cell state c",
    "hidden": "hidden state h",
    "reset": "reset gate r",
    "update": "update gate z",
}
SIGNED = ("candidate", "cell", "hidden")  # the others are gates, in 0 to 1


def draw_gates(
    reading: GateReading, path: Path, units: int = UNITS, font: Path | None = None
) -> list[str]:
    """Write the picture as PNG; the pieces that no font can draw, which it numbers instead.

    For each direction: above, what each word wrote into the memory and what is left of it
    at the end, with the mean share that it let live; below, every gate and state. All of
    the `units` that add most to the winning logit, the strongest on top. Raises
    TrainingError when `font` is no font.
    """
    words = [piece.replace("▁", " ").strip() or "▁" for piece in reading.pieces]
    families, missing = find_fonts("".join(words), font)
    undrawn = [word for word in words if missing & set(word)]
    labels = [f"#{at}" if missing & set(word) else word for at, word in enumerate(words, 1)]
    with rc_context({"font.family": families, "font.size": 8}):
        _figure(reading, labels, units).savefig(path, format="png", dpi=100)
    return undrawn


def _figure(reading: GateReading, labels: list[str], units: int) -> Figure:
    """A column of panels for each direction."""
    directions, names = reading.directions, list(reading.directions[0].trace)
    above = 1 if directions[0].flow else 0
    heights = [1.5] * above + [0.4 + 0.07 * units] * len(names)
    width = 1.0 + len(directions) * max(4.0, 0.8 + 0.24 * len(labels))
    figure = Figure(figsize=(width, sum(heights) + 1.5), layout="constrained")
    grid = figure.subplots(
        len(heights), len(directions), squeeze=False, sharex=True, height_ratios=heights
    )
    rows = [direction.strongest(units) for direction in directions]
    if above:
        _draw_flows(grid[0], directions, rows)
    for panels, name in zip(grid[above:], names, strict=True):
        values = [d.trace[name][:, kept].T for d, kept in zip(directions, rows, strict=True)]
        _draw_maps(panels, name, values)
    for panel, direction in zip(grid[0], directions, strict=True):
        panel.set_title(_heading(direction))
    for panel in grid[-1]:
        panel.set_xticks(range(len(labels)), labels, ha="right")
        for label in panel.get_xticklabels():  # a dollar sign is a word, not a formula
            label.set(rotation=60, rotation_mode="anchor", parse_math=False)
    figure.suptitle(_title(reading, len(rows[0])), fontsize=10, parse_math=False)
    return figure


def _title(reading: GateReading, units: int) -> str:
    label, score = reading.answer.label, reading.answer.score
    return (
        f"{reading.cell.upper()}: {label} {score:.3f}. Rows: the {units} units that add most to it"
    )


def _heading(direction: Direction) -> str:
    arrow = "backward ←" if direction.name == "backward" else "forward →"
    return f"{arrow}  (all its units: {direction.contributions.sum():+.2f} to the logit)"


def _draw_flows(panels: Sequence[Axes], directions: list[Direction], rows: list[list[int]]) -> None:
    """Bars: norms over the units; line: the mean share of the memory that a word lets live."""
    for panel, direction, units in zip(panels, directions, rows, strict=True):
        assert direction.flow is not None
        flow = direction.flow
        words = np.arange(len(flow.kept))
        written = np.linalg.norm(flow.written[:, units], axis=1)
        left = np.linalg.norm(flow.left[:, units], axis=1)
        panel.bar(words, written, color=WRITTEN, label="written by the word")
        panel.bar(words, left, width=0.5, color=LEFT, label="of it left at the end")
        shares = panel.twinx()
        shares.plot(
            words, flow.kept[:, units].mean(axis=1), ".-", color=KEPT, label="kept of the old"
        )
        shares.set_ylim(0, 1)
        shares.tick_params(axis="y", colors=KEPT)
    bars, lines = panels[0].get_legend_handles_labels()[0], shares.get_legend_handles_labels()[0]
    panels[0].set_ylabel("memory")
    panels[0].legend(
        handles=bars + lines, loc="lower left", bbox_to_anchor=(0, 1.12), ncols=3, frameon=False
    )


def _draw_maps(panels: Sequence[Axes], name: str, values: list[Float64]) -> None:
    """Units by words (K, T) of each direction, in the same colours."""
    signed = name in SIGNED
    top = max(float(abs(part).max()) for part in values) if signed else 1.0
    colors, bottom = ("RdBu_r", -top) if signed else ("Blues", 0.0)
    for panel, part in zip(panels, values, strict=True):
        image = panel.imshow(part, cmap=colors, vmin=bottom, vmax=top, aspect="auto")
        panel.set_yticks([])
    panels[0].set_ylabel(TITLES[name])
    panels[0].figure.colorbar(image, ax=list(panels), pad=0.01, aspect=8)
