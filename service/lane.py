"""A model with its queue: what a pipeline has one of for each model that it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.batcher import Answer, Batcher
from service.cache import AnswerCache
from service.errors import RequestError
from service.model import Model
from service.postprocess import Row, Scored, calibrate, scored
from service.texts import Encoded, TextLimits, encode_text
from service.waiting import TokenIds


@dataclass(frozen=True)
class Lane:
    """A model, its queue and its limits."""

    name: str
    model: Model
    batcher: Batcher
    limits: TextLimits
    cache: AnswerCache | None = None

    def encode(
        self, texts: Sequence[str | RequestError], truncate: bool
    ) -> list[Encoded | RequestError]:
        """The tokens of each text, or why it is refused; what is refused already stays so."""
        return [
            text if isinstance(text, RequestError) else self._encode(text, truncate)
            for text in texts
        ]

    async def answer(self, texts: Sequence[TokenIds], patiently: bool = False) -> Answer:
        """Logits (N, C) of texts, from the queue for those that the cache does not know.

        Raises what the batcher's `submit` raises, or `submit_patiently`.
        """
        if not texts:  # a request of no texts would never be done
            return Answer([], queue_s=0.0, infer_s=0.0)
        submit = self.batcher.submit_patiently if patiently else self.batcher.submit
        return await (self.cache.answer(texts, submit) if self.cache else submit(texts))

    def probabilities(self, logits: Sequence[Row]) -> Sequence[Row]:
        """Calibrated probabilities (N, C) of logits (N, C)."""
        temperature = self.model.manifest.temperature
        return [calibrate(row, temperature) for row in logits]

    def score(self, logits: Sequence[Row], raw_scores: bool) -> list[Scored]:
        """The answer for each row of logits (N, C)."""
        labels = self.model.manifest.labels
        rows = logits if raw_scores else self.probabilities(logits)
        return [scored(row, labels) for row in rows]

    def _encode(self, text: str, truncate: bool) -> Encoded | RequestError:
        try:
            return encode_text(self.model.tokenizer, text, self.limits, truncate)
        except RequestError as error:
            return error
