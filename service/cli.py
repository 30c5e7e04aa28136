"""The command line: `sentiment serve`, `sentiment predict`."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service import __version__
from service.catalog import open_models
from service.errors import SentimentError
from service.flags import SettingsError, read_settings, with_settings_flags
from service.formats import SUFFIXES
from service.offline import FileJob, Reading, local_copy, predict_file, predict_lines
from service.progress import describe_summary, open_meter
from service.schemas import Encoding
from service.server import run_server
from service.settings import Settings
from service.tables import Format, TableOptions

app = typer.Typer(
    name="sentiment",
    help="Sentiment you host yourself, in English and Chinese.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The entry point. Exits 2 for a wrong setting, 1 for a bundle or provider that fails."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _configure(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="And exit.")
    ] = False,
) -> None:
    pass


@app.command()
@with_settings_flags()
def serve(**flags: str | None) -> None:
    """Serve the models over HTTP until SIGTERM or Ctrl-C, then answer what is in flight."""
    with _one_line_errors():
        settings = read_settings(flags)
        run_server(settings, open_models(settings))


@app.command()
@with_settings_flags("models_dir", "provider", "max_tokens", "max_text_chars")
def predict(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXTS]... | FILE -o OUT",
            help="Texts; one a line from stdin when left out. With -o the file of rows; "
            "- or nothing is stdin.",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Name of the bundle.", show_default=True)
    ] = "default",
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Keep the k most probable labels.")
    ] = None,
    raw_scores: Annotated[
        bool, typer.Option("--raw-scores", help="Logits in place of probabilities.")
    ] = False,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Read the beginning of a text that is too long.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write the file with the answers in added columns."),
    ] = None,
    column: Annotated[
        str, typer.Option("--column", help="The file's column of texts.", show_default=True)
    ] = "text",
    file_format: Annotated[
        Format | None,
        typer.Option("--format", help="The file's format, where its name does not say it."),
    ] = None,
    encoding: Annotated[
        Encoding,
        typer.Option("--encoding", help="Of CSV and TSV; gb18030 reads GBK.", show_default=True),
    ] = "utf-8",
    **flags: str | None,
) -> None:
    """Print the sentiment of each text as a line of JSON, or write a file with added columns.

    No server is needed. A run over a file that is stopped goes on when the same command is
    given again. Exits 1 when a text could not be answered; its line or row holds the error.
    """
    reading = Reading(raw_scores, truncate)
    with _one_line_errors():
        settings = read_settings({**flags, "models": model})
        if output is None:
            lines = texts or _read_lines()
            answered = asyncio.run(predict_lines(settings, lines, typer.echo, top_k, reading))
        else:
            if top_k:
                raise typer.BadParameter("a file gets a column for every label", param_hint="top-k")
            named = _find_format(file_format, texts, output)
            options = TableOptions(named, column, encoding, 8 * settings.max_text_chars)
            answered = _predict_file(settings, texts, output, options, reading)
    raise typer.Exit(0 if answered else 1)


def _find_format(given: Format | None, files: list[str] | None, output: Path) -> Format:
    """The format that was given, or that the names of both files agree on."""
    names = [Path(name.removesuffix(".gz")) for name in [*(files or []), str(output)]]
    found = {SUFFIXES[name.suffix.lower()] for name in names if name.suffix.lower() in SUFFIXES}
    if given:
        return given
    if len(found) != 1:
        known = ", ".join(SUFFIXES)
        reason = "differ" if found else f"end in none of {known}"
        raise typer.BadParameter(f"the names of the files {reason}", param_hint="format")
    return found.pop()


def _predict_file(
    settings: Settings,
    files: list[str] | None,
    output: Path,
    options: TableOptions,
    reading: Reading,
) -> bool:
    if len(files or []) > 1:
        raise typer.BadParameter("give one file with -o", param_hint="texts")
    if not files or files == ["-"]:
        with local_copy(sys.stdin.buffer) as copy:
            return _run_job(settings, FileJob(copy, output, options, reading))
    return _run_job(settings, FileJob(Path(files[0]), output, options, reading))


def _run_job(settings: Settings, job: FileJob) -> bool:
    if job.output.exists() and job.output.samefile(job.source):
        raise typer.BadParameter("the output is the input", param_hint="output")
    try:
        with open_meter() as meter:
            whole = predict_file(settings, job, meter)
    except KeyboardInterrupt:
        typer.echo(f"sentiment: stopped; the same command goes on from {job.partial}", err=True)
        raise typer.Exit(130) from None
    typer.echo(describe_summary(whole, meter.summary), err=True)
    return not whole.errors


def _read_lines() -> Iterator[str]:
    # What is not UTF-8 becomes lone surrogates, which the pipeline refuses for that line only.
    stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape")
    return (line.rstrip("\r\n") for line in stdin)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        _fail(error, 2)
    except SentimentError as error:
        _fail(error, 1)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error, 1)


def _fail(error: Exception | str, code: int) -> None:
    # onnxruntime's reasons can have several lines.
    typer.echo(f"sentiment: {' '.join(str(error).split())}", err=True)
    raise typer.Exit(code)
