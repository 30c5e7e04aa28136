"""The model card that goes with a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.config import RunConfig
from training.data_config import TextSource
from training.datasets import DataSet, Split
from training.fitting import Trained
from training.report import SCORED
from training.starting import Start


def model_card(
    run: RunConfig,
    trained: Trained,
    figures: str,
    calibration: Mapping[str, float],
    split: Split,
) -> str:
    """MODEL_CARD.md: what the model is, what it learnt from, how right it is, and its limits."""
    sections = (
        f"# {run.name} {run.version}\n\n{run.description}\n",
        _network(run, trained, calibration),
        _quality(figures, split),
        _lessons(run, trained.data_sets),
        _limits(run),
    )
    return "\n".join(sections)


def _network(run: RunConfig, trained: Trained, calibration: Mapping[str, float]) -> str:
    network = run.model
    parameters = sum(weight.numel() for weight in trained.model.parameters())
    one = f"the {network.directions[0]} direction"
    directions = "two directions" if network.bidirectional else one
    temperatures = ", ".join(f"{key}: {value:.2f}" for key, value in calibration.items())
    return f"""## The model

- Labels: {", ".join(trained.labels)}. Languages: {", ".join(run.languages) or "as in the data"}.
- Network: sentencepiece pieces -> embedding of {network.embedding_size} -> {network.layers}
  layer(s) of {network.cell.upper()} with {network.hidden_size} units in {directions} ->
  {" and ".join(network.pooling)} pooling -> linear. {parameters:,} parameters; the embedding is
  stored as float16.{_start_line(run, trained.start)}{_ngrams_line(run)}
- Reads texts of up to {run.max_tokens:,} tokens whole. A text's answer does not depend on the
  texts beside it.
- Trained once, with seed {run.seed}. Weights are an average over training, chosen on dev rows;
  probabilities are calibrated on dev rows (temperature {temperatures}).
"""


def _start_line(run: RunConfig, start: Start | None) -> str:
    """What the network was before it was a classifier."""
    if run.vectors:
        return f"\n- The embedding started from word vectors: {run.vectors}."
    if run.pretraining:
        others = " and on those without labels" if run.unlabelled else ""
        return f"\n- Pretrained as a language model on the train texts below{others}."
    if start is None:
        return ""
    share = run.training.start_share
    back = f", and exported {100 * share:.0f}% of the way back to it" if share else ""
    return f"\n- Started from {start.origin}{back}."


def _ngrams_line(run: RunConfig) -> str:
    if run.ngrams is None:
        return ""
    return (
        "\n- Beside it, a linear model over pieces and pairs of pieces "
        f"({run.ngrams.buckets:,} rows for all pairs), whose logits are added."
    )


def _quality(figures: str, split: Split) -> str:
    origin = "Test sets, read once," if split == "test" else "Dev sets,"
    return f"""## How right it is

{origin} through the ONNX file of this bundle; percent with 95% confidence intervals
(Wilson for accuracy, normal for macro recall). {SCORED} A figure over a set's own labels chooses
among those labels only. Beside each: TF-IDF with logistic regression, fitted on the train rows of
that set (its strength chosen on dev).

{figures}
"""


def _lessons(run: RunConfig, data_sets: Sequence[DataSet]) -> str:
    rows = "\n".join(
        f"| {d.name} | {d.source.language or '-'} | {'/'.join(d.labels)} "
        f"| {len(d.train):,} | {len(d.dev):,} | {len(d.test):,} |"
        for d in data_sets
    )
    return f"""## What it learnt from

| data set | language | labels | train | dev | test |
| --- | --- | --- | ---: | ---: | ---: |
{rows}

A set without neutral rows teaches only positive against negative. SHA-256 of each file is in
manifest.json, with the run file's settings.
{_beside_labels(run)}"""


def _beside_labels(run: RunConfig) -> str:
    """A paragraph on what a model learnt from beside labelled texts; empty for nothing."""
    sentences = []
    if run.unlabelled:
        files = dict.fromkeys(map(_unlabelled, run.unlabelled))
        sentences.append(f"It also read texts without labels: {', '.join(files)}.")
    if run.distillation:
        names = [each.bundle or each.hugging_face for each in run.distillation.teachers]
        teachers = ", ".join(map(str, names)) or (
            f"{run.distillation.folds} networks like itself, each asked about rows that it had "
            "not seen"
        )
        sentences.append(f"Taught by {teachers} (distillation, Hinton et al. 2015).")
    return "\n" + " ".join(sentences) + "\n" if sentences else ""


def _unlabelled(source: TextSource) -> str:
    how = ["runs of words"] * bool(source.spans) + ["misspelt"] * bool(source.misspelt)
    return f"{source.file} ({', '.join(how)})" if how else source.file


def _limits(run: RunConfig) -> str:
    teachers = " and the teachers" if run.distillation else ""
    return f"""## Limits

- It knows the kinds of text above. On others, sarcasm, comparison and mixed opinions, expect less:
  measure on your own labelled texts with `python -m training evaluate`.
- Neutral is learnt from the three-way sets{teachers} alone.
- Probabilities are calibrated on texts like the training data's, not on yours.
- It judges texts, not people; do not use it to decide about a person.
"""
