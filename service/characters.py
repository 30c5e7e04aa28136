"""Classes of characters, as parts of patterns, that the rules for sentences and words share."""

from __future__ import annotations

import re

# What the tokenizer's normalization (nmt_nfkc_cf) drops or reads as a space.
BLANK = (
    r"\u0001-\u0020\u007f\u0085\u008f\u009f\u00a0\u061c\u1680\u2000-\u200c\u200e\u200f"
    r"\u2028\u2029\u202f\u205f\u2581\u3000\ufeff\ufffd"
)

VISIBLE = re.compile(rf"[^{BLANK}]")

# Chinese characters and Japanese kana, which are written without spaces.
CJK = r"\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

_FACES = r"\U0001f600-\U0001f64f\U0001f910-\U0001f917\U0001f920-\U0001f92f\U0001f970-\U0001f97a"
_PICTURES = r"\u203c\u2049\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_FLAG = r"[\U0001f1e6-\U0001f1ff]{2}"
_MODIFIERS = r"[\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_JOINED = rf"(?:\u200d[{_PICTURES}]{_MODIFIERS})*"

# One emoji as it is seen: with its skin tone, and what is joined to it (UTS 51, ED-17).
EMOJI = rf"(?:{_FLAG}|[{_PICTURES}]{_MODIFIERS}{_JOINED})"
FACE = rf"(?:[{_FACES}]{_MODIFIERS}{_JOINED})"
