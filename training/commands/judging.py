"""Verbs that tell what a network does: how right it is, beside what, and why."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from service.model import Model, open_model
from training.commands.options import (
    BundleFolder,
    Data,
    FileField,
    Output,
    RunFile,
    Settings,
    folder_of,
    pairs_of,
    read,
)
from training.comparison import compare as compare_variants
from training.comparison_report import TABLE_FILE, write_comparison
from training.contrast import CONTRAST_FILE, probe_markdown, read_pairs
from training.contrast import probe as probe_model
from training.datasets import DataSet, describe
from training.distance import measure_reach, reach_markdown
from training.distributed import world
from training.errors import TrainingError
from training.evaluate import Served, scored_split
from training.evaluation_report import REPORT_FILE, side_by_side_markdown, write_report
from training.gate_picture import UNITS, draw_gates
from training.gates import TOLERANCE, read_gates, write_gates
from training.peers import answer_all, open_peers
from training.test_sets import open_test_sets, sample
from training.variants import choose_variants


def evaluate(
    bundle: BundleFolder,
    run_or_file: Annotated[
        Path,
        typer.Argument(
            help="A run, for its test sets, or a file of labelled texts (CSV, TSV, JSON lines "
            "or Parquet, plain or gzip).",
            metavar="RUN.toml|FILE",
        ),
    ],
    data: Data = Path(),
    text_column: FileField = None,
    label_column: FileField = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--rename", metavar="LABEL=NAME", help="A file's label -> the bundle's, e.g. 1=positive"
        ),
    ] = None,
    language: FileField = None,
    train_file: Annotated[
        str | None,
        typer.Option("--train", help="Train rows beside a file, for `tfidf` and `minilm`."),
    ] = None,
    domain_column: Annotated[
        str | None, typer.Option(help="Column by which the accuracy is also given.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Score so many rows of each set, drawn at random.")
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="PEER,…",
            help="Compare on the same rows, one thread each: vader, textblob, snownlp, tfidf, "
            "minilm, the folder of another bundle, or hf:NAME (of one language: "
            "hf:NAME@en), a classifier of Hugging Face.",
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for report.md, metrics.json, errors.csv and plots."),
    ] = None,
    settings: Settings = None,
) -> None:
    """Score a bundle on the test sets of a run (dev where it has none), or on a file."""
    model = open_model(bundle, threads=1 if against else os.cpu_count() or 1)
    fields = {
        "text_column": text_column,
        "label_column": label_column,
        "rename_labels": pairs_of(rename),
        "language": language,
        "train": train_file,
    }
    data_sets = open_test_sets(
        model,
        run_or_file,
        folder=data,
        overrides=pairs_of(settings),
        file_fields={name: value for name, value in fields.items() if value},
        domain_column=domain_column,
    )
    typer.echo("\n".join(describe(data_sets)), err=True)
    _score(model, data_sets, against, rows, output)


def probe(
    bundle: BundleFolder,
    pairs: Annotated[
        Path,
        typer.Option(help="File with the columns language, phenomenon, positive and negative."),
    ] = CONTRAST_FILE,
) -> None:
    """Score a bundle on contrast pairs: texts that differ little and mean the opposite."""
    model = open_model(bundle, threads=os.cpu_count() or 1)
    typer.echo(probe_markdown(probe_model(model, read_pairs(pairs))))


def compare(
    run_file: RunFile,
    data: Data = Path(),
    output: Output = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Runs of each, from the run's seed on.")
    ] = 3,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Variants by name, * for any letters.", metavar="NAME"),
    ] = None,
    settings: Settings = None,
) -> None:
    """Train encoders and poolings at one budget; write a table and plots. Resumes when stopped."""
    run = read(run_file, settings)
    folder = folder_of(run, output)
    variants = choose_variants(only or [])
    with world() as here:
        comparison = compare_variants(run, variants, seeds, data, folder, here, time.process_time)
    write_comparison(comparison, folder)
    typer.echo((folder / TABLE_FILE).read_text(encoding="utf-8"))


def distance(bundle: BundleFolder) -> None:
    """Measure how a bundle's answers depend on where in a text the deciding sentence stands."""
    typer.echo(reach_markdown(measure_reach(open_model(bundle, threads=os.cpu_count() or 1))))


def gates(
    bundle: BundleFolder,
    text: Annotated[str, typer.Argument(help="A text of up to 100 tokens.", metavar="TEXT")],
    output: Annotated[Path, typer.Option("--output", help="The picture.")] = Path("gates.png"),
    table: Annotated[
        Path | None, typer.Option("--table", help="Every value of the top layer too, as CSV.")
    ] = None,
    units: Annotated[int, typer.Option("--units", min=1, max=64, help="Rows a panel.")] = UNITS,
    font: Annotated[
        Path | None, typer.Option("--font", help="Font file for what the usual font lacks.")
    ] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Read the beginning of a text that is too long.")
    ] = False,
) -> None:
    """Run a bundle through the cells by hand, and draw every gate along the words of a text."""
    reading = read_gates(open_model(bundle), text, truncate=truncate)
    scores = ", ".join(f"{label} {score:.4f}" for label, score in reading.answer.scores.items())
    typer.echo(f"{reading.answer.label} ({scores})")
    typer.echo(f"the same as the service: no probability differs by more than {TOLERANCE:.0e}")
    try:
        undrawn = draw_gates(reading, output, units, font)
        if table is not None:
            write_gates(reading, table)
    except OSError as error:
        raise TrainingError(f"{error.filename}: cannot be written ({error.strerror})") from error
    if undrawn:
        typer.echo(
            f"no font has all of: {' '.join(undrawn)}; they stand there as numbers. "
            "Install a font (for Chinese fonts-noto-cjk, say) or name a file with --font",
            err=True,
        )
    typer.echo("\n".join(str(path) for path in (output, table) if path))


def _score(
    model: Model, data_sets: Sequence[DataSet], against: str, rows: int | None, output: Path | None
) -> None:
    """Score a bundle beside its peers, and leave the report where one is wanted."""
    split = scored_split(data_sets)
    scored = sample(data_sets, split, rows) if rows else data_sets
    peers = open_peers([name.strip() for name in against.split(",") if name.strip()], data_sets)
    served = Served(model, threads=1 if against else -1)
    answered_sets = answer_all([served, *peers], scored, split)
    for peer in peers:
        if not any(peer.name in found.answered for found in answered_sets):
            typer.echo(f"{peer.name}: answers none of these sets", err=True)
    typer.echo(side_by_side_markdown(answered_sets, split))
    if output:
        write_report(output, model, answered_sets, split)
        typer.echo(f"\nreport: {output / REPORT_FILE}")
