"""The command line: python -m training VERB."""

from __future__ import annotations

import typer

from service.errors import SentimentError
from training.commands import judging, making
from training.errors import TrainingError
from training.interrupt import Interrupted

app = typer.Typer(
    name="python -m training",
    help="Fit recurrent sentiment classifiers and pack them into bundles to serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (
    making.train,
    making.export,
    making.quantize,
    judging.evaluate,
    judging.probe,
    judging.compare,
    judging.distance,
    making.tokenizer,
    making.pretrain,
    making.finetune,
    judging.gates,
):
    app.command()(verb)


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
