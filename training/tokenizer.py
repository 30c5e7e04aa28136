"""Train the sentencepiece model that training and serving share."""

from __future__ import annotations

import io
from collections.abc import Sequence
from random import Random

import sentencepiece

from training.config import TokenizerConfig
from training.errors import DataError
from training.simplified_chinese import simplified_characters, simplify_chinese

MAX_CHUNK_CHARS = 1000


def train_tokenizer(texts: Sequence[str], config: TokenizerConfig, seed: int) -> bytes:
    """A unigram model (Kudo 2018) with byte fallback, as its serialised bytes.

    Ids: 0 pads, 1 is unknown; there are no sentence marks. Raises DataError when the
    texts are too few for the vocabulary.
    """
    sample = list(texts)
    Random(seed).shuffle(sample)
    read_as = simplified_characters() if config.simplify_chinese else {}
    lines = _chunks([text.translate(read_as) for text in sample[: config.sample_texts]])
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="unigram",
            vocab_size=config.vocab_size,
            hard_vocab_limit=False,
            character_coverage=config.character_coverage,
            normalization_rule_name=config.normalization,
            byte_fallback=True,
            max_sentence_length=8 * MAX_CHUNK_CHARS,
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(f"tokenizer: {error}") from error
    content = model.getvalue()
    return simplify_chinese(content) if config.simplify_chinese else content


def sample_segmentations(
    model: bytes, texts: Sequence[str], alpha: float, seed: int
) -> list[list[int]]:
    """The piece ids of each text in a segmentation drawn from the unigram model.

    A segmentation is drawn with probability proportional to its own to the power of `alpha`
    (Kudo 2018, subword regularization): the smaller, the more and the shorter the pieces.
    The same seed draws the same within a process, and others in another one.
    """
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    sentencepiece.set_random_generator_seed(seed)
    return processor.encode(  # type: ignore[no-any-return]
        list(texts),
        enable_sampling=True,
        nbest_size=-1,
        alpha=alpha,
        num_threads=1,  # each thread would draw from a generator of its own
    )


def _chunks(texts: Sequence[str]) -> list[str]:
    """Cut long texts, which sentencepiece would skip whole; a line break ends a sentence."""
    return [
        line[start : start + MAX_CHUNK_CHARS]
        for text in texts
        for line in text.splitlines()
        for start in range(0, len(line), MAX_CHUNK_CHARS)
    ]
