"""How far from the end of reading a deciding sentence may stand.

A sentence of clear polarity is put at the start, in the middle or at the end of neutral
sentences, of which there are more and more. A model that remembers gives the same answer
wherever the sentence stands. The positive and the negative sentence of a pair stand among
the same neutral ones, at every place and for every model with the same tokenizer.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
from sklearn.metrics import roc_auc_score

from service.bundle import Manifest
from service.engine import Float32
from service.model import Model
from service.tokenizer import Tokenizer
from training.datasets import TWO_WAY
from training.errors import DataError
from training.evaluate import logits_of
from training.metrics import Figure, score

Place = Literal["start", "middle", "end"]

PLACES: tuple[Place, ...] = ("start", "middle", "end")
WHERE = {"start": "at the start", "middle": "in the middle", "end": "at the end"}
FILLER_TOKENS = (0, 50, 100, 200, 400)
PROBES_FILE = Path(__file__).parent / "probes" / "distance.toml"
UNSPACED = "zh"


@dataclass(frozen=True)
class Probes:
    """Sentences of one language; the deciding ones come in pairs of the same subject."""

    language: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    neutral: tuple[str, ...]


@dataclass(frozen=True)
class Reach:
    """How right a model is on texts whose deciding sentence stands at one place.

    `auc` is the share of (negative, positive) pairs of texts in which the positive one
    scores higher: unlike accuracy it does not fall when the neutral sentences move all
    answers the same way.
    """

    language: str
    place: Place
    filler_tokens: int
    accuracy: Figure
    auc: float


def read_probes(languages: Sequence[str] = ()) -> list[Probes]:
    """The sentences of these languages, as far as there are some; of all without a name."""
    table = tomllib.loads(PROBES_FILE.read_text(encoding="utf-8"))
    return [
        Probes(language, *(tuple(kinds[kind]) for kind in ("positive", "negative", "neutral")))
        for language, kinds in table.items()
        if not languages or language in languages
    ]


def has_probes(manifest: Manifest) -> bool:
    """Whether `measure_reach` has sentences for a bundle."""
    return set(TWO_WAY) <= set(manifest.labels) and bool(read_probes(manifest.languages))


def measure_reach(model: Model) -> list[Reach]:
    """Two-way accuracy at each place and length, in the languages of the bundle.

    Raises DataError for a bundle that does not tell negative from positive, or with no
    language that there are sentences of.
    """
    manifest = model.manifest
    if not has_probes(manifest):
        raise DataError(
            f"distance: needs the labels negative and positive and a language of "
            f"{[probes.language for probes in read_probes()]}; the bundle has "
            f"{list(manifest.labels)} and {list(manifest.languages)}"
        )
    columns = [manifest.labels.index(label) for label in TWO_WAY]
    cells = product(read_probes(manifest.languages), FILLER_TOKENS, PLACES)
    return [
        _reach(logits_of(model, texts)[:, columns], probes.language, place, tokens)
        for probes, tokens, place in cells
        for texts in [probe_texts(probes, place, tokens, model.tokenizer)]
    ]


def probe_texts(
    probes: Probes, place: Place, filler_tokens: int, tokenizer: Tokenizer
) -> list[str]:
    """All negative texts, then all positive ones, of at least `filler_tokens` neutral tokens."""
    return [
        _put(sentence, choose_filler(probes.neutral, filler_tokens, tokenizer, pair), place, probes)
        for sentences in (probes.negative, probes.positive)
        for pair, sentence in enumerate(sentences)
    ]


def choose_filler(
    neutral: Sequence[str], tokens: int, tokenizer: Tokenizer, seed: int
) -> list[str]:
    """The fewest sentences, in an order that the seed gives, that hold `tokens` tokens."""
    shuffled = Random(seed).sample(neutral, len(neutral))
    filler: list[str] = []
    found = 0
    for sentence in cycle(shuffled):
        if found >= tokens:
            break
        filler.append(sentence)
        found += len(tokenizer.encode(sentence))
    return filler


def reach_markdown(reaches: Sequence[Reach]) -> str:
    """One row per language and length: accuracy with its interval, and the area under ROC."""
    lines = [
        f"| language | neutral tokens | {' | '.join(WHERE[place] for place in PLACES)} |",
        "| --- | ---: | --- | --- | --- |",
    ]
    found = {(reach.language, reach.filler_tokens, reach.place): reach for reach in reaches}
    for language, tokens in dict.fromkeys((r.language, r.filler_tokens) for r in reaches):
        row = [found[language, tokens, place] for place in PLACES]
        cells = " | ".join(f"{reach.accuracy}; {reach.auc:.3f}" for reach in row)
        lines.append(f"| {language} | {tokens} | {cells} |")
    return "\n".join(lines)


def _put(sentence: str, filler: Sequence[str], place: Place, probes: Probes) -> str:
    before = {"start": 0, "middle": len(filler) // 2, "end": len(filler)}[place]
    joiner = "" if probes.language == UNSPACED else " "
    return joiner.join([*filler[:before], sentence, *filler[before:]])


def _reach(logits: Float32, language: str, place: Place, tokens: int) -> Reach:
    """From logits (2 * N, 2), the first half of negative texts."""
    targets = np.arange(len(logits)) // (len(logits) // 2)
    accuracy = score(targets, logits.argmax(axis=-1), TWO_WAY).accuracy
    auc = float(roc_auc_score(targets, logits[:, 1] - logits[:, 0]))
    return Reach(language, place, tokens, accuracy, auc)
