"""Traditional Chinese read as Simplified, by the normalization of the tokenizer itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import chain

import opencc
import sentencepiece

IDEOGRAPHS = (range(0x3400, 0xA000), range(0xF900, 0xFB00), range(0x20000, 0x32000))
"""The blocks of Unicode that hold Chinese characters."""


@cache
def simplified_characters() -> Mapping[int, str]:
    """Traditional character -> Simplified one, as `str.translate` takes it; from OpenCC."""
    converter = opencc.OpenCC("t2s")
    pairs = ((code, converter.convert(chr(code))) for code in chain(*IDEOGRAPHS))
    return {code: simple for code, simple in pairs if simple != chr(code)}


def simplify_chinese(tokenizer: bytes) -> bytes:
    """The same sentencepiece model, to which a Traditional character is the Simplified one.

    Pieces keep their ids. A character that its normalization makes Traditional, from a
    compatibility form say, is the Simplified one too.
    """
    sentencepiece.set_min_log_level(1)  # or it tells of every table it reads and builds
    simple = simplified_characters()
    own = sentencepiece.SentencePieceNormalizer(model_proto=tokenizer)
    rules = {chr(code): written for code, written in simple.items()} | dict(own.decompile())
    simplified = {read: written.translate(simple) for read, written in rules.items()}
    changing = [rule for rule in simplified.items() if rule[0] != rule[1]]
    normalizer = sentencepiece.SentencePieceNormalizer(norm_map=changing)
    # Protocol buffers one behind the other are merged: of two tables the last one counts.
    merged = sentencepiece.SentencePieceProcessor(
        model_proto=tokenizer + normalizer.serialized_model_proto()
    )
    content: bytes = merged.serialized_model_proto()
    return content
