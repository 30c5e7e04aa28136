"""What an evaluation leaves: a table, and a folder with report, metrics, errors and plots."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from service.bundle import METRICS_FILE
from service.model import Model
from training.answer_plots import plot_answers, plot_peers
from training.breakdown import Breakdown, Mistake, Slice, break_down
from training.datasets import Split
from training.evaluate import Answered
from training.metrics import reliability
from training.peers import SideBySide
from training.report import NO_TEST_ROWS, SCORED

WORST = 10
SHOWN_CHARACTERS = 240

REPORT_FILE = "report.md"
MISTAKES_FILE = "errors.csv"
PEERS_PLOT = "peers.png"


def side_by_side_markdown(answered_sets: Sequence[SideBySide], split: Split) -> str:
    """One table with a column a peer: percent with 95% intervals; with several peers, speeds."""
    peers = list(dict.fromkeys(name for found in answered_sets for name in found.answered))
    lines = [
        *([NO_TEST_ROWS, ""] if split == "dev" else []),
        f"| {split} set | measure | rows | {' | '.join(peers)} |",
        f"| --- | --- | ---: |{' --- |' * len(peers)}",
    ]
    for found in answered_sets:
        for measure, figure in _measures(found.ways, with_speed=len(peers) > 1):
            answered = [found.answered.get(peer) for peer in peers]
            cells = " | ".join(figure(one) if one else "-" for one in answered)
            lines.append(f"| {found.name} | {measure} | {found.rows:,} | {cells} |")
    return "\n".join(lines)


def write_report(
    folder: Path, model: Model, answered_sets: Sequence[SideBySide], split: Split
) -> None:
    """Write the folder, with every detail of the bundle's own answers.

    Every set must hold these, under the bundle's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = model.manifest
    detailed = [(found, _details(model, found)) for found in answered_sets]
    title = f"# {manifest.name} {manifest.version}, evaluated"
    note = f"Percent with 95% confidence intervals. {SCORED}"
    sections = [_section(found, detail, manifest.name) for found, detail in detailed]
    table = side_by_side_markdown(answered_sets, split)
    beside = any(len(found.answered) > 1 for found in answered_sets)
    plot = [f"![accuracy and speed of each]({PEERS_PLOT})"] if beside else []
    report = "\n\n".join([title, note, table, *plot, *sections])
    (folder / REPORT_FILE).write_text(report + "\n", encoding="utf-8")
    metrics = {
        "bundle": {"name": manifest.name, "version": manifest.version, "files": manifest.files},
        "split": split,
        "results": [_as_json(found, detail) for found, detail in detailed],
    }
    (folder / METRICS_FILE).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    _write_mistakes(folder / MISTAKES_FILE, detailed)
    for found in answered_sets:
        (folder / _plot_file(found)).write_bytes(_plot(found, manifest.name))
    if beside:
        (folder / PEERS_PLOT).write_bytes(plot_peers(answered_sets))


def _details(model: Model, found: SideBySide) -> Breakdown:
    answered = found.answered[model.manifest.name]
    encoded = model.tokenizer.encode_all(answered.rows.texts, threads=-1)
    return break_down(answered, [len(ids) for ids in encoded])


def _measures(ways: str, with_speed: bool) -> list[tuple[str, Callable[[Answered], str]]]:
    measures: list[tuple[str, Callable[[Answered], str]]] = [
        (f"{ways} accuracy", lambda answered: str(answered.scores.accuracy))
    ]
    if ways != "two-way":
        measures.append(
            (f"{ways} macro recall", lambda answered: str(answered.scores.macro_recall))
        )
    if with_speed:
        measures.append(("texts per CPU second", lambda answered: f"{answered.texts_per_s:,.0f}"))
    return measures


def _section(found: SideBySide, detail: Breakdown, bundle: str) -> str:
    parts = [
        f"## {found.title}",
        _scores_markdown(found),
        f"![reliability and confusion of {bundle}]({_plot_file(found)})",
        _slices_markdown("length", detail.by_length),
        _slices_markdown("domain", detail.by_domain),
        _mistakes_markdown(detail.mistakes),
    ]
    return "\n\n".join(part for part in parts if part)


def _plot_file(found: SideBySide) -> str:
    return f"{found.name}-{found.ways}.png"


def _plot(found: SideBySide, bundle: str) -> bytes:
    answered = found.answered[bundle]
    given = answered.answers.probabilities
    assert given is not None  # a bundle always gives them
    bins = reliability(answered.targets, answered.answers.predicted, given)
    return plot_answers(found.title, answered.scores, bins)


def _scores_markdown(found: SideBySide) -> str:
    lines = [
        "| | accuracy | macro recall | macro F1 | AUC | calibration error |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for peer, answered in found.answered.items():
        scores = answered.scores
        lines.append(
            f"| {peer} | {scores.accuracy} | {scores.macro_recall} | {scores.macro_f1} "
            f"| {scores.auc or '-'} | {scores.calibration_error or '-'} |"
        )
    return "\n".join(lines)


def _slices_markdown(kind: str, slices: Sequence[Slice]) -> str:
    if not slices:
        return ""
    lines = [f"| {kind} | rows | accuracy |", "| --- | ---: | --- |"]
    return "\n".join([*lines, *(f"| {s.name} | {s.rows:,} | {s.accuracy} |" for s in slices)])


def _mistakes_markdown(found: Sequence[Mistake]) -> str:
    if not found:
        return ""
    lines = [f"The surest mistakes (all of them are in {MISTAKES_FILE}):", ""]
    for mistake in found[:WORST]:
        text = " ".join(mistake.text.replace("`", "'").split())
        shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
        said = f"{mistake.predicted} {mistake.probability:.2f}, labelled {mistake.label}"
        lines.append(f"- {said}: `{shown}`")
    return "\n".join(lines)


def _as_json(found: SideBySide, detail: Breakdown) -> dict[str, Any]:
    return {
        "set": found.name,
        "labels": found.labels,
        "peers": {
            peer: {**asdict(one.scores), "texts_per_s": round(one.texts_per_s, 1)}
            for peer, one in found.answered.items()
        },
        "by_length": [asdict(each) for each in detail.by_length],
        "by_domain": [asdict(each) for each in detail.by_domain],
    }


def _write_mistakes(path: Path, detailed: Sequence[tuple[SideBySide, Breakdown]]) -> None:
    columns = [field.name for field in fields(Mistake)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "choice", *columns])
        for found, detail in detailed:
            for mistake in detail.mistakes:
                writer.writerow([found.name, found.ways, *asdict(mistake).values()])
