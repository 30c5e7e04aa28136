"""The figure, from a run's JSON: `python -m benchmarks.serve.plot serve.json serve.png`.

Runs in an environment of its own, so that nothing else needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

PANELS = {
    "short": ("33 tokens, one text a request", "requests/s", "requests_per_s"),
    "mixed": ("mixed lengths, one text a request", "requests/s", "requests_per_s"),
    "bulk": ("mixed lengths, 64 texts a request", "texts/s", "texts_per_s"),
    "single": ("33 tokens, one connection", "median ms (less is better)", "p50_ms"),
}
OURS, OTHER, ENGINE = "#0b6e4f", "#9aa5b1", "#c8b273"


def draw(results: dict[str, Any], path: Path) -> None:
    """A panel of bars for each scenario that was measured; no figure where none has peers."""
    found = [name for name in PANELS if any(s["scenario"] == name for s in results["compared"])]
    if not found:
        return
    rows = (len(found) + 1) // 2
    figure, axes = plt.subplots(
        rows, min(2, len(found)), figsize=(11, 3.2 * rows), layout="constrained", squeeze=False
    )
    panels = list(axes.flat)
    for panel in panels[len(found) :]:
        panel.axis("off")
    for name, panel in zip(found, panels, strict=False):
        draw_panel(panel, name, results)
    figure.suptitle(f"The same bundle behind each server: {results['about']['bundle']}")
    figure.savefig(path, dpi=150)


def draw_panel(panel: Axes, name: str, results: dict[str, Any]) -> None:
    """The peers of one scenario, the best on top."""
    title, unit, field = PANELS[name]
    bars = collect(results, name, field)
    order = sorted(bars, key=lambda bar: bars[bar][0], reverse=field == "p50_ms")
    panel.barh(order, [bars[bar][0] for bar in order], color=[bars[bar][1] for bar in order])
    for row, bar in enumerate(order):
        value = bars[bar][0]
        written = f" {value:,.2f}" if field == "p50_ms" else f" {value:,.0f}"
        panel.text(value, row, written, va="center", fontsize=8)
    panel.margins(x=0.16)
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(unit, fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def collect(results: dict[str, Any], name: str, field: str) -> dict[str, tuple[float, str]]:
    """Title -> median over rounds, and a colour."""
    hidden = "nothing" if name == "bulk" else ""  # it would dwarf what does the work
    samples = [s for s in results["compared"] if s["scenario"] == name and s["peer"] != hidden]
    bars = {
        results["titles"][peer]: (
            median(s[field] for s in samples if s["peer"] == peer),
            OURS if peer == "ours" else OTHER,
        )
        for peer in dict.fromkeys(s["peer"] for s in samples)
    }
    bare = [
        s["value"] for s in results["bare"] if s["scenario"] == name and s["mode"] != "requests"
    ]
    if bare:
        bars["the bare engine"] = (median(bare), ENGINE)
    return bars


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
