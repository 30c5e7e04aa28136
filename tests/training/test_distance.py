from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine import Float32, Int32
from service.model import Model
from service.tokenizer import Tokenizer
from training.distance import (
    FILLER_TOKENS,
    PLACES,
    Probes,
    choose_filler,
    has_probes,
    measure_reach,
    probe_texts,
    reach_markdown,
    read_probes,
)
from training.errors import DataError

PROBES = {probes.language: probes for probes in read_probes()}
LANGUAGES = st.sampled_from(sorted(PROBES))


@pytest.fixture(scope="module")
def tokenizer(tokenizer_model: bytes) -> Tokenizer:
    return Tokenizer(tokenizer_model)


@pytest.mark.parametrize("probes", PROBES.values(), ids=PROBES)
def test_there_are_sentences_enough_and_none_twice(probes: Probes) -> None:
    assert len(probes.positive) == len(probes.negative) >= 30
    assert len(probes.neutral) >= 60
    every = probes.positive + probes.negative + probes.neutral
    assert len(set(every)) == len(every)


def test_languages_are_chosen_and_all_are_taken_without_a_choice() -> None:
    assert [probes.language for probes in read_probes(["zh", "fr"])] == ["zh"]
    assert [probes.language for probes in read_probes()] == ["en", "zh"]


@given(LANGUAGES, st.integers(0, 900), st.integers(0, 50))
def test_filler_is_the_least_that_holds_the_tokens(
    tokenizer: Tokenizer, language: str, tokens: int, seed: int
) -> None:
    neutral = PROBES[language].neutral
    filler = choose_filler(neutral, tokens, tokenizer, seed)
    lengths = [len(tokenizer.encode(sentence)) for sentence in filler]
    assert set(filler) <= set(neutral)
    assert sum(lengths) >= tokens
    assert sum(lengths[:-1]) < tokens or not filler
    assert choose_filler(neutral, tokens + 100, tokenizer, seed)[: len(filler)] == filler


@pytest.mark.parametrize("tokens", FILLER_TOKENS)
@pytest.mark.parametrize("probes", PROBES.values(), ids=PROBES)
def test_only_the_place_of_the_deciding_sentence_differs(
    tokenizer: Tokenizer, probes: Probes, tokens: int
) -> None:
    texts = {place: probe_texts(probes, place, tokens, tokenizer) for place in PLACES}
    count = len(probes.negative)
    assert {len(found) for found in texts.values()} == {2 * count}
    for index in range(2 * count):
        sentence = (probes.negative + probes.positive)[index]
        filler = choose_filler(probes.neutral, tokens, tokenizer, index % count)
        joiner = "" if probes.language == "zh" else " "
        start, middle, end = (texts[place][index] for place in PLACES)
        assert start == joiner.join([sentence, *filler])
        assert end == joiner.join([*filler, sentence])
        half = len(filler) // 2
        assert middle == joiner.join([*filler[:half], sentence, *filler[half:]])


Judge = Callable[[tuple[int, ...]], float]


@dataclass
class Reader:
    """Scores a text's ids by a rule: above 0 is positive."""

    judge: Judge
    provider: str = "reader"

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        margins = [
            self.judge(tuple(row[:length])) for row, length in zip(ids, lengths, strict=True)
        ]
        return np.array([[0.0, 0.0, margin] for margin in margins], dtype=np.float32)


def reading(model: Model, judge: Judge) -> Model:
    """The model in English alone, with texts read whole, judged so."""
    manifest = model.manifest.model_copy(update={"max_tokens": 10_000, "languages": ("en",)})
    return Model(replace(model.bundle, manifest=manifest), model.tokenizer, Reader(judge))


def first_sentence_of(model: Model) -> Judge:
    """Knows the deciding sentences, and reads nothing but the first one of a text."""
    says = {
        tuple(model.tokenizer.encode(sentence)): margin
        for sentences, margin in ((PROBES["en"].positive, 1.0), (PROBES["en"].negative, -1.0))
        for sentence in sentences
    }

    def judge(ids: tuple[int, ...]) -> float:
        return next((says[ids[:n]] for n in range(1, len(ids) + 1) if ids[:n] in says), -1.0)

    return judge


def test_what_reads_only_the_start_is_right_at_the_start_alone(model: Model) -> None:
    reaches = measure_reach(reading(model, first_sentence_of(model)))
    found = {(reach.place, reach.filler_tokens): reach for reach in reaches}
    assert set(found) == {(place, tokens) for place in PLACES for tokens in FILLER_TOKENS}
    for place in PLACES:
        assert found[place, 0].accuracy.value == 1
    for tokens in FILLER_TOKENS[1:]:
        assert (found["start", tokens].accuracy.value, found["start", tokens].auc) == (1, 1)
        assert (found["end", tokens].accuracy.value, found["end", tokens].auc) == (0.5, 0.5)


def test_a_lean_of_all_answers_costs_accuracy_and_not_the_area_under_roc(model: Model) -> None:
    judge = first_sentence_of(model)
    for reach in measure_reach(reading(model, lambda ids: 9 + judge(ids))):
        if reach.place == "start":
            assert (reach.accuracy.value, reach.auc) == (0.5, 1)


def test_a_bundle_without_the_two_ways_or_a_known_language_is_refused(model: Model) -> None:
    assert has_probes(model.manifest)
    for change in ({"labels": ("angry", "calm")}, {"languages": ("fr",)}):
        manifest = model.manifest.model_copy(update=change)
        assert not has_probes(manifest)
        other = Model(replace(model.bundle, manifest=manifest), model.tokenizer, model.engine)
        with pytest.raises(DataError, match="distance: needs the labels negative and positive"):
            measure_reach(other)


def test_a_row_per_language_and_length(model: Model) -> None:
    lines = reach_markdown(measure_reach(reading(model, lambda ids: 1.0))).splitlines()
    assert len(lines) == 2 + len(FILLER_TOKENS)
    assert lines[-1] == "| en | 400 |" + " 50.0 (39.3-60.7); 0.500 |" * len(PLACES)
