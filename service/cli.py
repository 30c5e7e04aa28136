"""The command line: `sentiment serve`, `sentiment predict`."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from service import __version__
from service.catalog import open_models
from service.errors import SentimentError
from service.flags import SettingsError, read_settings, with_settings_flags
from service.offline import predict_lines
from service.server import run_server

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
        list[str] | None, typer.Argument(help="Texts; one a line from stdin when left out.")
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
    **flags: str | None,
) -> None:
    """Print the sentiment of each text as a line of JSON, without a server.

    Exits 1 when a text could not be answered; its line holds the error.
    """
    with _one_line_errors():
        settings = read_settings({**flags, "models": model})
        lines = texts or _read_lines()
        options: dict[str, Any] = {"raw_scores": raw_scores, "truncate": truncate}
        answered = asyncio.run(predict_lines(settings, lines, typer.echo, top_k, **options))
    raise typer.Exit(0 if answered else 1)


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


def _fail(error: Exception, code: int) -> None:
    # onnxruntime's reasons can have several lines.
    typer.echo(f"sentiment: {' '.join(str(error).split())}", err=True)
    raise typer.Exit(code)
