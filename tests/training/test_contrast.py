from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from service.engine import Float32, Int32
from service.model import Model
from training.contrast import Pair, probe, probe_markdown, read_pairs
from training.errors import DataError

PAIRS = (
    Pair("en", "negation", "good film", "not a good film"),
    Pair("en", "negation", "good soup", "not a good soup"),
    Pair("en", "change", "it works", "it no longer works"),
    Pair("zh", "negation", "很好", "不好"),
)


@dataclass
class ByLength:
    """Logits (negative, neutral, positive): a text of more than `longest` tokens is negative."""

    longest: int
    provider: str = "fixed"

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        negative = (lengths > self.longest).astype(np.float32)
        return np.stack([negative, np.full(len(ids), 9, np.float32), 1 - negative], axis=1)


def answering(model: Model, longest: int) -> Model:
    return Model(model.bundle, model.tokenizer, ByLength(longest))


# The file


def test_the_pairs_are_many_and_balanced() -> None:
    pairs = read_pairs()
    languages = Counter(pair.language for pair in pairs)
    kinds = Counter((pair.language, pair.phenomenon) for pair in pairs)
    assert len(pairs) >= 500
    assert set(languages) == {"en", "zh"}
    assert max(languages.values()) - min(languages.values()) <= 0.1 * len(pairs)
    assert {kind for language, kind in kinds if language == "en"} == {
        kind for language, kind in kinds if language == "zh"
    }
    assert min(kinds.values()) >= 20


def test_no_text_stands_twice() -> None:
    texts = [text for pair in read_pairs() for text in (pair.positive, pair.negative)]
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_the_texts_of_a_pair_differ_and_are_alike() -> None:
    pairs = read_pairs()
    alike = [SequenceMatcher(None, pair.positive, pair.negative).ratio() for pair in pairs]
    others = [
        SequenceMatcher(None, one.positive, other.negative).ratio()
        for one, other in zip(pairs, [*pairs[40:], *pairs[:40]], strict=True)
    ]
    assert max(alike) < 1
    assert np.mean(alike) > 0.7 > 0.4 > np.mean(others)


def test_languages_are_what_they_say() -> None:
    for pair in read_pairs():
        chinese = any("一" <= letter <= "鿿" for letter in pair.positive + pair.negative)
        assert chinese == (pair.language == "zh")
        assert not set("[]{}|") & set(pair.positive + pair.negative)


# Scores


def test_a_pair_is_right_when_both_of_its_texts_are(model: Model) -> None:
    tokens = [len(model.tokenizer.encode(pair.positive)) for pair in PAIRS]
    found = probe(answering(model, max(tokens[:2])), PAIRS)
    assert [(one.language, one.phenomenon, one.rows) for one in found] == [
        ("en", "all", 3),
        ("en", "negation", 2),
        ("en", "change", 1),
        ("zh", "all", 1),
        ("zh", "negation", 1),
    ]
    by_kind = {(one.language, one.phenomenon): one for one in found}
    assert by_kind["en", "negation"].pairs.value == 1.0


def test_one_answer_for_everything_is_half_right_and_tells_no_pair_apart(model: Model) -> None:
    for longest in (0, 1000):
        for found in probe(answering(model, longest), PAIRS):
            assert (found.pairs.value, found.texts.value) == (0.0, 0.5)


def test_the_whole_file_is_probed_on_a_bundle(model: Model) -> None:
    pairs = read_pairs()
    found = probe(model, pairs)
    assert sum(one.rows for one in found if one.phenomenon == "all") == len(pairs)
    assert sum(one.rows for one in found) == 2 * len(pairs)
    for one in found:
        assert one.pairs.value <= one.texts.value
    assert f"| en | all | {found[0].rows} | " in probe_markdown(found)


def test_a_bundle_without_the_two_labels_is_refused(model: Model) -> None:
    labels = ("angry", "neutral", "positive")
    manifest = model.manifest.model_copy(update={"labels": labels})
    other = Model(replace(model.bundle, manifest=manifest), model.tokenizer, model.engine)
    with pytest.raises(DataError, match="lack 'negative'"):
        probe(other, PAIRS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("language,phenomenon,positive\nen,x,good\n", "no column 'negative'"),
        ("language,phenomenon,positive,negative\nen,x,good,\n", "row 1: a cell is empty"),
    ],
)
def test_a_file_without_pairs_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(DataError, match=rf"pairs\.csv: {message}"):
        read_pairs(tmp_path / "pairs.csv")
