"""Arguments and options that several verbs have, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.config import RunConfig, read_run
from training.errors import ConfigError

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


def read(run_file: Path, settings: list[str] | None) -> RunConfig:
    """A run with its `--set`. Raises ConfigError."""
    return read_run(run_file, pairs_of(settings))


def pairs_of(settings: list[str] | None) -> dict[str, str]:
    """FIELD=VALUE of each. Raises ConfigError for one without an equals sign."""
    pairs = [setting.partition("=") for setting in settings or []]
    if bare := [name for name, equals, _ in pairs if not equals]:
        raise ConfigError(f"--set {bare[0]}: say FIELD=VALUE, or FIELD= to leave it out")
    return {name: value for name, _, value in pairs}


def folder_of(run: RunConfig, output: Path | None) -> Path:
    """Where a run keeps checkpoints and logs."""
    return output or Path("runs") / run.name
