"""The command line: python -m training VERB."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from service.errors import SentimentError
from service.model import open_model
from service.tokenizer import Tokenizer
from training.comparison import compare as compare_variants
from training.comparison_report import TABLE_FILE, write_comparison
from training.config import RunConfig, read_run
from training.contrast import CONTRAST_FILE, probe_markdown, read_pairs
from training.contrast import probe as probe_model
from training.datasets import describe, load_data
from training.distance import measure_reach, reach_markdown
from training.distributed import World, world
from training.errors import ConfigError, TrainingError
from training.evaluate import Served, scored_split
from training.evaluation_report import REPORT_FILE, side_by_side_markdown, write_report
from training.fitting import Trained
from training.gate_picture import UNITS, draw_gates
from training.gates import TOLERANCE, read_gates, write_gates
from training.interrupt import Interrupted
from training.packing import check_can_pack, pack
from training.peers import answer_all, open_peers
from training.prepared import prepare
from training.quantization import quantize as quantize_bundle
from training.run import PRETRAINING_FOLDER, discard, restore
from training.run import pretrain as pretrain_model
from training.run import train as train_model
from training.test_sets import open_test_sets, sample
from training.transformer import FinetuneConfig, check_vacant, dev_accuracies
from training.transformer import finetune as finetune_encoder
from training.variants import choose_variants

app = typer.Typer(
    name="python -m training",
    help="Fit recurrent sentiment classifiers and pack them into bundles to serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunFile = Annotated[Path, typer.Argument(help="The run: a TOML file.", metavar="RUN.toml")]
Data = Annotated[
    Path,
    typer.Option("--data", envvar="SENTIMENT_DATA", help="Folder that the run's paths start from."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", help="Folder of checkpoints and logs. [default: runs/NAME]"),
]
Models = Annotated[
    Path, typer.Option("--models", help="Folder that the bundle is written to, as NAME.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a bundle of that name.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Discard an earlier checkpoint.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a field of the run; without a value, leave it out.",
        metavar="FIELD=VALUE",
    ),
]

BundleFolder = Annotated[Path, typer.Argument(help="Folder of the bundle.", metavar="BUNDLE")]
FileField = Annotated[str | None, typer.Option(help="Of a data file; a run names its own.")]


@app.command()
def train(
    run_file: RunFile,
    data: Data = Path(),
    output: Output = None,
    models: Models = Path("models"),
    replace: Replace = False,
    fresh: Fresh = False,
    settings: Settings = None,
) -> None:
    """Go all the way from labelled texts to a bundle; the same command resumes a stopped run."""
    run = _read(run_file, settings)
    folder = _folder(run, output)
    check_can_pack(models / run.name, replace)
    with world() as here:
        if fresh:
            _discard(folder, here)
        trained = train_model(run, data, folder, here)
        leads = here.leads
    if leads:
        _pack(run, trained, models, replace)


@app.command()
def export(
    run_file: RunFile,
    data: Data = Path(),
    output: Output = None,
    models: Models = Path("models"),
    replace: Replace = False,
    settings: Settings = None,
) -> None:
    """Pack the best weights that a run has so far, finished or stopped."""
    run = _read(run_file, settings)
    check_can_pack(models / run.name, replace)
    with world() as here:
        _pack(run, restore(run, data, _folder(run, output), here), models, replace)


@app.command()
def quantize(
    bundle: BundleFolder, run_file: RunFile, data: Data = Path(), replace: Replace = False
) -> None:
    """Write a bundle again in int8 as BUNDLE-int8, with its figures on a run's dev rows."""
    bundle = bundle.resolve()
    target = bundle.with_name(f"{bundle.name}-int8")
    data_sets = open_test_sets(open_model(bundle), run_file, folder=data)
    packed = quantize_bundle(bundle, data_sets, target, replace)
    typer.echo(f"{packed.figures}\n\nbundle: {packed.path}")


@app.command()
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
            "minilm.",
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
        "rename_labels": _pairs(rename),
        "language": language,
        "train": train_file,
    }
    data_sets = open_test_sets(
        model,
        run_or_file,
        folder=data,
        overrides=_pairs(settings),
        file_fields={name: value for name, value in fields.items() if value},
        domain_column=domain_column,
    )
    typer.echo("\n".join(describe(data_sets)), err=True)
    split = scored_split(data_sets)
    scored = sample(data_sets, split, rows) if rows else data_sets
    peers = open_peers([name.strip() for name in against.split(",") if name.strip()], data_sets)
    served = Served(model, threads=1 if against else -1)
    answered_sets = answer_all([served, *peers], scored, split)
    typer.echo(side_by_side_markdown(answered_sets, split))
    if output:
        write_report(output, model, answered_sets, split)
        typer.echo(f"\nreport: {output / REPORT_FILE}")


@app.command()
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


@app.command()
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
    run = _read(run_file, settings)
    folder = _folder(run, output)
    variants = choose_variants(only or [])
    with world() as here:
        comparison = compare_variants(run, variants, seeds, data, folder, here, time.process_time)
    write_comparison(comparison, folder)
    typer.echo((folder / TABLE_FILE).read_text(encoding="utf-8"))


@app.command()
def distance(bundle: BundleFolder) -> None:
    """Measure how a bundle's answers depend on where in a text the deciding sentence stands."""
    typer.echo(reach_markdown(measure_reach(open_model(bundle, threads=os.cpu_count() or 1))))


@app.command()
def tokenizer(
    run_file: RunFile, data: Data = Path(), output: Output = None, settings: Settings = None
) -> None:
    """Train the tokenizer of a run alone; `train` would find it there."""
    run = _read(run_file, settings)
    with world() as here:
        prepared = prepare(run, data, _folder(run, output), here)
    typer.echo(f"{Tokenizer(prepared.tokenizer).vocab_size} pieces in {_folder(run, output)}")


@app.command()
def pretrain(
    run_file: RunFile,
    data: Data = Path(),
    output: Output = None,
    fresh: Fresh = False,
    settings: Settings = None,
) -> None:
    """Train the language model of a run alone; `train` would find it there."""
    run = _read(run_file, settings)
    folder = _folder(run, output)
    with world() as here:
        if fresh:
            _discard(folder / PRETRAINING_FOLDER, here)
        own = pretrain_model(run, prepare(run, data, folder, here), folder, here)
        leads = here.leads
    if leads:
        typer.echo(f"language model: {own}")


@app.command()
def finetune(
    run_file: RunFile,
    encoder: Annotated[
        str, typer.Option("--from", help="A name on the Hugging Face hub, or a folder.")
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder of the classifier.")],
    data: Data = Path(),
    language: Annotated[
        str | None, typer.Option(help="Learn from the data sets of one language alone.")
    ] = None,
    passes: Annotated[int, typer.Option(min=1)] = 1,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    learning_rate: Annotated[float, typer.Option(min=1e-9, max=1)] = 1e-4,
    max_tokens: Annotated[int, typer.Option(min=4, max=512, help="Read of a text.")] = 64,
    settings: Settings = None,
) -> None:
    """Make a transformer that can teach: fit one to the train rows of a run. Resumes."""
    run = _read(run_file, settings)
    check_vacant(output)
    config = FinetuneConfig(encoder, language, passes, batch_size, learning_rate, max_tokens)
    labels, data_sets = load_data(run, data)
    typer.echo("\n".join(describe(data_sets)), err=True)
    finetune_encoder(config, labels, data_sets, output, run.seed)
    for name, figure in dev_accuracies(config, labels, data_sets, output):
        typer.echo(f"{name}, dev: accuracy {figure}")
    typer.echo(f"\nclassifier: {output}")


@app.command()
def gates(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    text: Annotated[str, typer.Argument(help="A text of up to 100 tokens.")],
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


def main() -> None:
    """Entry point: errors that the user can mend are one line, not a traceback."""
    try:
        app()
    except Interrupted as stopped:
        typer.echo(str(stopped), err=True)
        raise SystemExit(130) from None
    except (TrainingError, SentimentError) as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None


def _read(run_file: Path, settings: list[str] | None) -> RunConfig:
    return read_run(run_file, _pairs(settings))


def _pairs(settings: list[str] | None) -> dict[str, str]:
    pairs = [setting.partition("=") for setting in settings or []]
    if bare := [name for name, equals, _ in pairs if not equals]:
        raise ConfigError(f"--set {bare[0]}: say FIELD=VALUE, or FIELD= to leave it out")
    return {name: value for name, _, value in pairs}


def _folder(run: RunConfig, output: Path | None) -> Path:
    return output or Path("runs") / run.name


def _discard(folder: Path, here: World) -> None:
    """What an earlier run left in the folder, before any process looks for it."""
    if here.leads:
        discard(folder)
    here.wait()


def _pack(run: RunConfig, trained: Trained, models: Path, replace: bool) -> None:
    packed = pack(run, trained, models / run.name, replace)
    typer.echo(f"{packed.figures}\n\nbundle: {packed.path}")
