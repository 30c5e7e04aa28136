"""Answers that are kept for texts that come again."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b

from cachetools import LRUCache

from service.batcher import Answer
from service.waiting import TokenIds

KEY_BYTES = 32


class AnswerCache:
    """The logits of the texts that one model was asked last, as the model gave them.

    Neither a text nor its tokens are kept, but a hash of the tokens (BLAKE2b, RFC 7693) under a
    random key, from which no text can be had back. The tokens are all that the model reads: a
    model in float32 would give the same bits again.
    """

    def __init__(self, texts: int, note_hits: Callable[[int], None]) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)
        self._rows: LRUCache[bytes, list[float]] = LRUCache(texts)
        self._note_hits = note_hits

    async def answer(
        self,
        texts: Sequence[TokenIds],
        submit: Callable[[Sequence[TokenIds]], Awaitable[Answer]],
    ) -> Answer:
        """Logits (N, C) of the texts, by `submit` for those that are not known.

        Raises what `submit` raises.
        """
        keys = [self._hash(text) for text in texts]
        rows = [self._rows.get(key) for key in keys]
        unknown = [index for index, row in enumerate(rows) if row is None]
        self._note_hits(len(texts) - len(unknown))
        ran = Answer([], queue_s=0.0, infer_s=0.0)
        if unknown:
            ran = await submit([texts[index] for index in unknown])
        for index, row in zip(unknown, ran.logits, strict=True):
            rows[index] = self._rows[keys[index]] = row
        return Answer([row for row in rows if row is not None], ran.queue_s, ran.infer_s)

    def _hash(self, text: TokenIds) -> bytes:
        return blake2b(array("i", text), key=self._key, digest_size=32).digest()
