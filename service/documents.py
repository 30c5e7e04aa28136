"""What POST /analyze takes and gives."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from service.analysis import Analyses, Analysis, Sentence
from service.answers import describe_items, rank_scores
from service.explanation import Explanation
from service.schemas import ErrorResponse, Given, SomeTexts, Taken
from service.sentences import Span


class AnalyzeRequest(Taken):
    """One document or many, in any mix of the model's languages."""

    inputs: SomeTexts = Field(
        description="One document, or a list of documents that are answered in order."
    )
    model: str | None = Field(
        default=None, description="Which of `GET /models` answers; the default one when left out."
    )
    explain: bool = Field(
        default=False,
        description="Tell how much each word moved the document's score. The model runs once "
        "more for every word.",
    )
    truncate: bool = Field(
        default=False,
        description="Read the beginning of a document that is too long, rather than refuse it.",
    )


POLAR_SCORE = Field(
    default=None,
    ge=-1,
    le=1,
    description="From -1 to 1: the probability of positive less that of negative. "
    "Left out for a model that has no such labels.",
)


class AnalyzedSentence(Given):
    """A sentence, as `POST /predict` would answer its text alone."""

    text: str = Field(
        description="The sentence with the blanks after it: all of them, joined, are the document."
    )
    offset: int = Field(description="Where it starts, in Unicode code points.")
    length: int = Field(description="Its length in Unicode code points.")
    label: str = Field(description="The most probable label.")
    score: float | None = POLAR_SCORE
    probabilities: dict[str, float] = Field(
        description="Each label's calibrated probability, the most probable first."
    )


class ExplainedWord(Given):
    """A word and what it did."""

    text: str
    offset: int = Field(description="Where it starts, in Unicode code points.")
    length: int = Field(description="Its length in Unicode code points.")
    effect: float = Field(
        description="The document's score less its score without this word: above 0 where the "
        "word made it more positive, below 0 where more negative."
    )


class ExplainedDocument(Given):
    """The effect of every word by itself. `score = sum of effects + remainder`.

    For a model without positive and negative, the probability of the document's label stands
    in place of the score.
    """

    words: list[ExplainedWord] = Field(
        description="Words, emoji and punctuation in their order; in Chinese what the model's "
        "tokenizer takes together."
    )
    remainder: float = Field(
        description="What words did together and so no single effect shows, such as two words of "
        "praise of which either would do."
    )


class DocumentAnalysis(Given):
    """The sentiment of a document and of its sentences."""

    label: str = Field(description="The most probable label of the document as a whole.")
    score: float | None = POLAR_SCORE
    probabilities: dict[str, float] = Field(
        description="Each label's calibrated probability, the most probable first."
    )
    mixed: bool | None = Field(
        default=None,
        description="Whether at least one sentence is positive and at least one negative. "
        "Left out for a model that has no such labels.",
    )
    tokens: int = Field(description="Tokens of the document that the model read.")
    truncated: bool = Field(
        description="Whether the document was cut to its beginning. "
        "Sentences and words are then those of the beginning."
    )
    original_tokens: int | None = Field(
        default=None,
        description="Tokens of the whole document; only when it was cut, "
        "and left out when it passed the limit of characters.",
    )
    sentences: list[AnalyzedSentence]
    explanation: ExplainedDocument | None = Field(
        default=None, description="Only when asked for by `explain`."
    )


class AnalyzeResponse(Given):
    """One analysis per input, in order; an input that cannot be answered has an error."""

    model: str = Field(description="The model that answered.")
    analyses: list[DocumentAnalysis | ErrorResponse]


def describe_analyses(analyses: Analyses, *, alone: bool) -> AnalyzeResponse:
    """One analysis or error per text; `alone` says that `inputs` was no list.

    Raises the first text's error, naming its field, when no text at all has an answer.
    """
    items = describe_items(analyses.items, _describe_analysis, alone)
    return AnalyzeResponse(model=analyses.reply.model, analyses=items)


def _describe_analysis(analysis: Analysis) -> DocumentAnalysis:
    outcome, text = analysis.outcome, analysis.text
    explanation = analysis.explanation
    return DocumentAnalysis(
        label=outcome.scored.label,
        score=analysis.score,
        probabilities=rank_scores(outcome.scored),
        mixed=analysis.mixed,
        tokens=len(outcome.encoded.ids),
        truncated=outcome.encoded.truncated,
        original_tokens=outcome.encoded.original_tokens,
        sentences=[_describe_sentence(sentence, text) for sentence in analysis.sentences],
        explanation=None if explanation is None else _describe_explanation(explanation, text),
    )


def _describe_sentence(sentence: Sentence, text: str) -> AnalyzedSentence:
    return AnalyzedSentence(
        **_locate(sentence.span, text),
        label=sentence.scored.label,
        score=sentence.score,
        probabilities=rank_scores(sentence.scored),
    )


def _describe_explanation(explanation: Explanation, text: str) -> ExplainedDocument:
    words = [
        ExplainedWord(**_locate(word.span, text), effect=word.effect) for word in explanation.words
    ]
    return ExplainedDocument(words=words, remainder=explanation.remainder)


def _locate(span: Span, text: str) -> dict[str, Any]:
    return {
        "text": text[span.start : span.end],
        "offset": span.start,
        "length": span.end - span.start,
    }
