"""Whole documents: their sentiment, that of their sentences, and which words moved it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.aside import call_aside
from service.characters import VISIBLE
from service.errors import RequestError, TooLarge
from service.explanation import Explanation, explain_value, leave_out, lengths_left
from service.lane import Lane
from service.pipeline import Pipeline
from service.postprocess import Row, Scored, find_polarity, scored
from service.replies import Outcome, Reply
from service.sentences import Span, split_sentences
from service.settings import Settings
from service.texts import Encoded, encode_text
from service.waiting import TokenIds
from service.words import Word, find_words

PASSES = 3  # over the text: its sentences, their tokens, its own


@dataclass(frozen=True)
class Sentence:
    """A sentence's answer, which is the one that its text has alone."""

    span: Span
    scored: Scored
    score: float | None


@dataclass(frozen=True)
class Analysis:
    """A document's answer; `score` and `mixed` are None for a model without polarity."""

    text: str
    outcome: Outcome
    score: float | None
    mixed: bool | None
    sentences: list[Sentence]
    explanation: Explanation | None


@dataclass(frozen=True)
class Analyses:
    """The reply about the documents as such, and each one's analysis or error."""

    reply: Reply
    items: list[Analysis | RequestError]


@dataclass(frozen=True)
class _Document:
    """A text as it was read; without `words` where they are not to be explained."""

    text: str
    encoded: Encoded
    sentences: list[Span]
    sentence_ids: list[list[int]]  # none where the only sentence is the document
    words: list[Word] | None

    @property
    def lengths(self) -> list[int]:
        """The lengths of `token_ids`, known before they are made: they may be very many."""
        length = len(self.encoded.ids)
        sentences = map(len, self.sentence_ids)
        return [length, *sentences, *lengths_left(length, self.words or ())]

    def token_ids(self) -> list[TokenIds]:
        """What is to be run: the document, its sentences, and itself without each word."""
        ids = self.encoded.ids
        return [ids, *self.sentence_ids, *leave_out(ids, self.words or ())]


async def analyze(
    pipeline: Pipeline,
    texts: Sequence[str],
    *,
    model: str | None = None,
    explain: bool = False,
    truncate: bool = False,
    timeout_ms: int | None = None,
) -> Analyses:
    """The analysis of each text, or why that text has none; all as one request of the queue.

    Raises what `Pipeline.predict` raises; TooLarge also where sentences and words are more
    than the queue could ever hold.
    """
    lane = pipeline.find_lane(model)
    reader = _Reader(lane, pipeline.settings, explain, truncate)

    def encode() -> tuple[list[_Document | RequestError], list[TokenIds]]:
        documents = reader.read_all(texts)
        return documents, [
            ids
            for document in documents
            if isinstance(document, _Document)
            for ids in document.token_ids()
        ]

    documents, logits, timing = await pipeline.run(lane, texts, encode, timeout_ms, PASSES)

    def interpret() -> list[Analysis | RequestError]:
        return _interpret_all(documents, lane.probabilities(logits), lane)

    items = await call_aside(interpret, PASSES * sum(map(len, texts)))
    outcomes = [item.outcome if isinstance(item, Analysis) else item for item in items]
    return Analyses(pipeline.report(Reply(lane.name, outcomes, timing)), items)


@dataclass(frozen=True)
class _Reader:
    """Reads texts for one request."""

    lane: Lane
    settings: Settings
    explain: bool
    truncate: bool

    def read_all(self, texts: Sequence[str]) -> list[_Document | RequestError]:
        """Each text's document or error. Raises TooLarge as soon as they come to too much."""
        documents: list[_Document | RequestError] = []
        runs = tokens = 0
        for text in texts:
            document = self._try_read(text)
            documents.append(document)
            if isinstance(document, _Document):
                lengths = document.lengths
                runs, tokens = runs + len(lengths), tokens + sum(lengths)
                self._check_size(runs, tokens)
        return documents

    def _check_size(self, runs: int, tokens: int) -> None:
        for unit, needed, limit in (
            ("texts", runs, self.settings.max_queue_texts),
            ("tokens", tokens, self.settings.max_queue_tokens),
        ):
            if needed > limit:
                raise TooLarge(
                    f"the documents, sentences and words to run come to {needed} {unit} or more, "
                    f"the limit is {limit}; send fewer or shorter texts",
                    "inputs",
                )

    def _try_read(self, text: str) -> _Document | RequestError:
        try:
            return self._read(text)
        except RequestError as error:
            return error

    def _read(self, text: str) -> _Document:
        tokenizer, limits = self.lane.model.tokenizer, self.lane.limits
        encoded = encode_text(tokenizer, text, limits, self.truncate)
        offsets = []
        if encoded.truncated or self.explain:
            text = text[: limits.max_chars]
            offsets = tokenizer.offsets(text)[: len(encoded.ids)]
        if encoded.truncated:
            text = text[: offsets[-1][1]]
        words = self._find_words(text, offsets) if self.explain else None
        # The beginning of a text may hold nothing but a blank.
        sentences = split_sentences(text) if VISIBLE.search(text) else []
        parts = [text[span.start : span.end] for span in sentences] if len(sentences) > 1 else []
        ids = [encode_text(tokenizer, part, limits, truncate=True).ids for part in parts]
        return _Document(text, encoded, sentences, ids, words)

    def _find_words(self, text: str, offsets: Sequence[tuple[int, int]]) -> list[Word]:
        words, limit = find_words(text, offsets), self.settings.explain_max_words
        if len(words) > limit:
            raise TooLarge(
                f"the text has {len(words)} words, the limit for `explain` is {limit}; "
                "send less, or leave out `explain`"
            )
        return words


def _interpret_all(
    documents: Sequence[_Document | RequestError], rows: Sequence[Row], lane: Lane
) -> list[Analysis | RequestError]:
    """The analyses of documents from the probabilities (N, C) of all that they ran."""
    items: list[Analysis | RequestError] = []
    start = 0
    for document in documents:
        if isinstance(document, _Document):
            stop = start + len(document.lengths)
            items.append(_interpret(document, rows[start:stop], lane.model.manifest.labels))
            start = stop
        else:
            items.append(document)
    return items


def _interpret(document: _Document, rows: Sequence[Row], labels: Sequence[str]) -> Analysis:
    """The analysis of one document from its own rows (n, C), in the order of `token_ids`."""
    answers = [scored(row, labels) for row in rows[: 1 + len(document.sentence_ids)]]
    whole, alone = answers[0], answers[1:] or answers
    polarity = find_polarity(labels)
    likeliest = labels.index(whole.label)
    values = [polarity.score(row) if polarity else row[likeliest] for row in rows]
    scores: list[float | None] = [*values] if polarity else [None] * len(rows)
    sentence_scores = scores[1 : len(answers)] or scores
    explanation = None
    if document.words is not None:
        explanation = explain_value(values[0], values[len(answers) :], document.words)
    return Analysis(
        text=document.text,
        outcome=Outcome(whole, document.encoded),
        score=scores[0],
        mixed=_is_mixed(alone) if polarity else None,
        sentences=list(map(Sentence, document.sentences, alone, sentence_scores)),
        explanation=explanation,
    )


def _is_mixed(sentences: Sequence[Scored]) -> bool:
    """Azure's rule: at least one sentence is positive, and at least one negative."""
    return {"positive", "negative"} <= {sentence.label.lower() for sentence in sentences}
