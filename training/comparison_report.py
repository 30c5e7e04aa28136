"""A comparison as files: a table to read, rows to compute with, and plots."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path

from training.comparison import Comparison, Result
from training.distance import PLACES
from training.plots import draw_accuracy, draw_reach
from training.speed import Speed
from training.summaries import Spread, Summary, filler_lengths, summarise

TABLE_FILE = "compare.md"
RUNS_FILE = "compare.csv"
REACH_FILE = "distance.csv"
ACCURACY_PLOT = "accuracy.png"
REACH_PLOT = "distance.png"


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write compare.md, compare.csv and distance.csv, accuracy.png and distance.png.

    The two of distance are left out where reach was not measured.
    """
    results = comparison.results
    (folder / TABLE_FILE).write_text(comparison_markdown(comparison), encoding="utf-8")
    _write_csv(folder / RUNS_FILE, [_run_row(r, comparison.speeds[r.variant]) for r in results])
    summaries = summarise(results)
    draw_accuracy(summaries, comparison.speeds, comparison.baseline, folder / ACCURACY_PLOT)
    if lengths := filler_lengths(results):
        _write_csv(folder / REACH_FILE, [row for r in results for row in _reach_rows(r)])
        draw_reach(summaries, lengths, folder / REACH_PLOT)


def comparison_markdown(comparison: Comparison) -> str:
    """What was compared on what, and a row per variant: means over seeds, (least-greatest)."""
    lengths = filler_lengths(comparison.results)
    places = [f"{place} of {lengths[-1]}" for place in PLACES] if lengths else []
    columns = [
        *("variant", "dev", "test", "parameters", "recurrent", "train tok/s", "ONNX tok/s"),
        *(["alone", *places] if lengths else []),
    ]
    rows = [
        _row(summary, comparison.speeds[summary.variant], lengths)
        for summary in summarise(comparison.results)
    ]
    if not isnan(comparison.baseline):
        test = f"{100 * comparison.baseline:.1f}"
        rows.append(["TF-IDF regression", "-", test, *["-"] * (len(columns) - 3)])
    table = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join([_preface(comparison), *("| " + " | ".join(row) + " |" for row in table), ""])


def _preface(comparison: Comparison) -> str:
    run, results = comparison.run, comparison.results
    sets = "; ".join(
        f"{d.name} ({len(d.train):,} train, {len(d.dev):,} dev, {len(d.test):,} test rows)"
        for d in comparison.data_sets
    )
    seeds = ", ".join(str(seed) for seed in sorted({result.seed for result in results}))
    model, passes = run.model, run.training.reads
    return f"""\
Data: {sets}. Seeds: {seeds}.

Budget: {results[0].train_tokens:,} training tokens for each network, {passes} passes over the
same data, none stopped early. Embedding {model.embedding_size}, {model.hidden_size} units a
direction, {run.tokenizer.vocab_size:,} pieces at most. The weights kept are the best on dev.

Accuracy in percent, positive against negative where a set tells them apart; the mean over seeds
(least-greatest), through the ONNX graph. "Recurrent" are the parameters of the recurrent layers.
Tokens a second of one core's time: of training steps, and of dev texts in onnxruntime.
"""


def _row(summary: Summary, speed: Speed, lengths: Sequence[int]) -> list[str]:
    first = summary.results[0]
    cells = [
        summary.variant,
        _percent(summary.spread(lambda result: result.dev_accuracy)),
        _percent(summary.spread(lambda result: result.test_accuracy)),
        f"{first.parameters:,}",
        f"{first.encoder_parameters:,}",
        f"{speed.train:,.0f}",
        f"{speed.onnx:,.0f}",
    ]
    if lengths:  # "alone" is the deciding sentence without a neutral one, whatever its place
        ends = [summary.reach(place, lengths[-1]) for place in PLACES]
        cells += [f"{100 * share:.1f}" for share in (summary.reach("start", lengths[0]), *ends)]
    return cells


def _percent(spread: Spread) -> str:
    if spread.least == spread.greatest:
        return f"{100 * spread.mean:.1f}"
    return f"{100 * spread.mean:.1f} ({100 * spread.least:.1f}-{100 * spread.greatest:.1f})"


def _run_row(result: Result, speed: Speed) -> dict[str, object]:
    row = {name: value for name, value in vars(result).items() if name != "reach"}
    return {**row, "train_tokens_per_s": speed.train, "onnx_tokens_per_s": speed.onnx}


def _reach_rows(result: Result) -> Iterator[dict[str, object]]:
    for reach in result.reach:
        yield {
            "variant": result.variant,
            "seed": result.seed,
            "language": reach.language,
            "place": reach.place,
            "filler_tokens": reach.filler_tokens,
            "accuracy": reach.accuracy.value,
            "auc": reach.auc,
        }


def _write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
