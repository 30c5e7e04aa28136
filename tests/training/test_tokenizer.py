from __future__ import annotations

import pytest

from service.tokenizer import Tokenizer
from tests.training.samples import reviews
from training.config import TokenizerConfig
from training.errors import DataError
from training.simplified_chinese import simplify_chinese
from training.tokenizer import MAX_CHUNK_CHARS, sample_segmentations, train_tokenizer

TEXTS = [text for text, _ in reviews(200)]
CONFIG = TokenizerConfig(vocab_size=400)


@pytest.fixture(scope="module")
def content() -> bytes:
    return train_tokenizer(TEXTS, CONFIG, seed=0)


@pytest.fixture(scope="module")
def tokenizer(content: bytes) -> Tokenizer:
    return Tokenizer(content)


def test_padding_is_0_and_unknown_is_1(tokenizer: Tokenizer) -> None:
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 1)


def test_the_vocabulary_is_no_larger_than_asked(tokenizer: Tokenizer) -> None:
    assert 256 < tokenizer.vocab_size <= 400


def test_what_was_never_seen_falls_back_to_bytes(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("Ωмега 🙂")
    assert ids
    assert tokenizer.unk_id not in ids


def test_case_and_width_are_folded(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("GREAT ｓｏｕｐ！") == tokenizer.encode("great soup!")


def test_case_is_kept_when_the_run_says_so() -> None:
    config = TokenizerConfig(vocab_size=400, normalization="nmt_nfkc")
    tokenizer = Tokenizer(train_tokenizer(TEXTS, config, seed=0))
    assert tokenizer.encode("GREAT") != tokenizer.encode("great")


SCRIPTS = {
    "這家店的服務態度非常差,不會再來。": "这家店的服务态度非常差,不会再来。",
    "物流很快,包裝完好,ＧＯＯＤ!": "物流很快,包装完好,ＧＯＯＤ!",
    "\uf900": "岂",  # a compatibility form of the Traditional 豈
}


@pytest.mark.parametrize("traditional", SCRIPTS)
def test_traditional_chinese_reads_as_simplified(traditional: str) -> None:
    simplified = SCRIPTS[traditional]
    tokenizer = Tokenizer(train_tokenizer([*TEXTS, *SCRIPTS], CONFIG, seed=0))
    assert tokenizer.encode(traditional) == tokenizer.encode(simplified)
    assert tokenizer.offsets(traditional) == tokenizer.offsets(simplified)


def test_the_vocabulary_is_of_simplified_characters() -> None:
    texts = ["這家店的服務態度非常差"] * 50
    tokenizer = Tokenizer(train_tokenizer([*TEXTS, *texts], CONFIG, seed=0))
    pieces = set("".join(tokenizer.pieces(range(tokenizer.vocab_size))))
    assert set("这务态") <= pieces
    assert not set("這務態") & pieces


def test_chinese_is_read_as_written_when_the_run_says_so() -> None:
    config = TokenizerConfig(vocab_size=400, simplify_chinese=False)
    tokenizer = Tokenizer(train_tokenizer(TEXTS, config, seed=0))
    assert all(tokenizer.encode(a) != tokenizer.encode(b) for a, b in list(SCRIPTS.items())[:2])


def test_only_how_chinese_is_read_changes() -> None:
    config = TokenizerConfig(vocab_size=400, simplify_chinese=False)
    before = train_tokenizer(TEXTS, config, seed=0)
    after = simplify_chinese(before)
    assert simplify_chinese(after) == after
    texts = [*TEXTS, *SCRIPTS.values(), " ＮＢＡ  ﬁ e\u0301 🙂\n"]
    assert Tokenizer(after).encode_all(texts) == Tokenizer(before).encode_all(texts)


def test_same_texts_and_seed_give_the_same_bytes(content: bytes) -> None:
    assert train_tokenizer(TEXTS, CONFIG, seed=0) == content


def test_a_sample_of_the_texts_is_drawn_by_the_seed() -> None:
    config = TokenizerConfig(vocab_size=350, sample_texts=40)
    assert train_tokenizer(TEXTS, config, 0) != train_tokenizer(TEXTS, config, 1)


def test_a_long_text_is_learnt_from_whole() -> None:
    """sentencepiece would skip it; its last words must have become pieces."""
    long = ["x y z " * MAX_CHUNK_CHARS + "marvellous " * 200]
    tokenizer = Tokenizer(train_tokenizer(long, TokenizerConfig(vocab_size=300), seed=0))
    assert "▁marvellous" in tokenizer.pieces(tokenizer.encode("marvellous"))


def test_more_characters_than_pieces_are_refused() -> None:
    config = TokenizerConfig(vocab_size=300, character_coverage=1.0)
    texts = [chr(0x4E00 + index) for index in range(500)]
    with pytest.raises(DataError, match="tokenizer: "):
        train_tokenizer(texts, config, seed=0)


def test_sampled_segmentations_spell_the_same_texts(content: bytes, tokenizer: Tokenizer) -> None:
    def spelt(ids: list[int]) -> str:
        return "".join(tokenizer.pieces(ids))

    drawn = sample_segmentations(content, TEXTS, alpha=0.2, seed=1)
    best = tokenizer.encode_all(TEXTS)
    assert [spelt(ids) for ids in drawn] == [spelt(ids) for ids in best]
    assert sum(map(len, drawn)) > 1.05 * sum(map(len, best))


def test_sampled_segmentations_follow_from_the_seed(content: bytes) -> None:
    first = sample_segmentations(content, TEXTS, alpha=0.2, seed=1)
    assert sample_segmentations(content, TEXTS, alpha=0.2, seed=1) == first
    assert sample_segmentations(content, TEXTS, alpha=0.2, seed=2) != first
