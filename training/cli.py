"""The command line: python -m training VERB."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from service.errors import SentimentError
from service.model import open_model
from service.tokenizer import Tokenizer
from training.config import RunConfig, read_run
from training.datasets import load_data
from training.distributed import world
from training.errors import TrainingError
from training.evaluate import evaluate as evaluate_model
from training.interrupt import Interrupted
from training.packing import check_can_pack, pack
from training.report import figures_markdown
from training.run import Trained, discard, prepare, restore
from training.run import train as train_model

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
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a field of the run.", metavar="FIELD=VALUE"),
]


@app.command()
def train(
    run_file: RunFile,
    data: Data = Path(),
    output: Output = None,
    models: Models = Path("models"),
    replace: Replace = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard an earlier checkpoint.")] = False,
    settings: Settings = None,
) -> None:
    """Go all the way from labelled texts to a bundle; the same command resumes a stopped run."""
    run = _read(run_file, settings)
    folder = _folder(run, output)
    check_can_pack(run, models / run.name, replace)
    with world() as here:
        if fresh and here.leads:
            discard(folder)
        here.wait()
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
    check_can_pack(run, models / run.name, replace)
    with world() as here:
        _pack(run, restore(run, data, _folder(run, output), here), models, replace)


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    run_file: RunFile,
    data: Data = Path(),
    settings: Settings = None,
) -> None:
    """Score a bundle on the test sets of a run."""
    model = open_model(bundle, threads=os.cpu_count() or 1)
    _, data_sets = load_data(_read(run_file, settings), data)
    typer.echo(figures_markdown(evaluate_model(model, data_sets), {}))


@app.command()
def tokenizer(
    run_file: RunFile, data: Data = Path(), output: Output = None, settings: Settings = None
) -> None:
    """Train the tokenizer of a run alone; `train` would find it there."""
    run = _read(run_file, settings)
    with world() as here:
        prepared = prepare(run, data, _folder(run, output), here)
    typer.echo(f"{Tokenizer(prepared.tokenizer).vocab_size} pieces in {_folder(run, output)}")


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
    pairs = [setting.partition("=") for setting in settings or []]
    return read_run(run_file, {field: value for field, _, value in pairs})


def _folder(run: RunConfig, output: Path | None) -> Path:
    return output or Path("runs") / run.name


def _pack(run: RunConfig, trained: Trained, models: Path, replace: bool) -> None:
    packed = pack(run, trained, models / run.name, replace)
    typer.echo(f"{packed.figures}\n\nbundle: {packed.path}")
