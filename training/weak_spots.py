"""Where a bundle fails: by kind of text, and by what turns a sentence round."""

from __future__ import annotations

from collections.abc import Sequence

from service.model import Model
from training.breakdown import by_domain
from training.contrast import probe, probe_markdown, read_pairs
from training.datasets import TWO_WAY, DataSet, Split
from training.evaluate import Served, answer


def weak_spots_markdown(model: Model, data_sets: Sequence[DataSet], split: Split) -> str:
    """Sections for the card: accuracy by `domain_column`, worst first, and on contrast pairs.

    Empty where no set names its domains and no pair is in a language of the bundle.
    """
    parts = [_domains_markdown(model, data_sets, split), _pairs_markdown(model)]
    return "\n\n".join(part for part in parts if part)


def _domains_markdown(model: Model, data_sets: Sequence[DataSet], split: Split) -> str:
    lines = []
    for data_set in data_sets:
        if not data_set.split(split).domains:
            continue
        answered = answer(data_set, data_set.labels, Served(model), split)
        assert answered is not None  # a bundle answers any rows
        for found in sorted(by_domain(answered), key=lambda each: each.accuracy.value):
            lines.append(f"| {data_set.name} | {found.name} | {found.rows:,} | {found.accuracy} |")
    if not lines:
        return ""
    return "\n".join(
        [
            "Among all labels of a set, by kind of text, the worst first:\n",
            f"| {split} set | kind | rows | accuracy |",
            "| --- | --- | ---: | --- |",
            *lines,
        ]
    )


def _pairs_markdown(model: Model) -> str:
    manifest = model.manifest
    pairs = [pair for pair in read_pairs() if pair.language in manifest.languages]
    if not pairs or not set(TWO_WAY) <= set(manifest.labels):
        return ""
    explained = (
        "Contrast pairs, a text and a small rewriting that says the opposite; a pair is right when "
        "both texts are, which guessing achieves for a quarter of them:"
    )
    return f"{explained}\n\n{probe_markdown(probe(model, pairs))}"
