from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.analysis import Analyses, Analysis, analyze
from service.engine import CPU, Float32, Int32
from service.errors import DeadlineExceeded, InvalidInput, Overloaded, TooLarge
from service.model import Model, open_model
from service.pipeline import Pipeline, open_pipeline
from service.replies import Outcome, Reply
from service.settings import Settings
from service.waiting import TokenIds
from tests.service.fakes import BrokenEngine, GatedEngine
from tests.tiny import SENTENCES, make_bundle

pytestmark = pytest.mark.anyio
TEXT = "The room was spotless. Never again: cold soup!  味道很好。😀 Bye"


class Journal:
    """An observer that keeps what it hears of."""

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.replies: list[Reply] = []

    def watch_run(self, model: str, run: Any) -> Any:
        def watched(texts: Sequence[TokenIds]) -> Float32:
            self.runs.append(len(texts))
            logits: Float32 = run(texts)
            return logits

        return watched

    def note_reply(self, reply: Reply) -> None:
        self.replies.append(reply)


@asynccontextmanager
async def opened(
    models: Mapping[str, Model], journal: Journal | None = None, **settings: Any
) -> AsyncIterator[Pipeline]:
    observer = journal or Journal()
    given = Settings(workers=1, **settings)
    async with open_pipeline(given, models, observer=observer) as pipeline:
        yield pipeline


def with_labels(model: Model, *labels: str) -> dict[str, Model]:
    """The same network, its outputs called by other names."""
    manifest = model.manifest.model_copy(update={"labels": labels})
    bundle = dataclasses.replace(model.bundle, manifest=manifest)
    return {"default": Model(bundle, model.tokenizer, model.engine)}


def analyses_of(analyses: Analyses) -> list[Analysis]:
    assert all(isinstance(item, Analysis) for item in analyses.items)
    return [item for item in analyses.items if isinstance(item, Analysis)]


async def analyze_one(pipeline: Pipeline, text: str, **options: Any) -> Analysis:
    (analysis,) = analyses_of(await analyze(pipeline, [text], **options))
    return analysis


async def predict_one(pipeline: Pipeline, text: str) -> Outcome:
    (outcome,) = (await pipeline.predict([text])).items
    assert isinstance(outcome, Outcome)
    return outcome


async def test_document_and_sentences_have_the_answers_that_predict_gives(model: Model) -> None:
    async with opened({"default": model}) as pipeline:
        analysis = await analyze_one(pipeline, TEXT)
        assert analysis.outcome == await predict_one(pipeline, TEXT)
        assert len(analysis.sentences) == 4
        for sentence in analysis.sentences:
            text = TEXT[sentence.span.start : sentence.span.end]
            assert sentence.scored == (await predict_one(pipeline, text)).scored
            scores = sentence.scored.scores
            assert sentence.score == scores["positive"] - scores["negative"]


async def test_the_sentences_joined_are_the_input(model: Model) -> None:
    texts = [TEXT, "\n\n a\u200b. \u3000", "好", SENTENCES[9] + SENTENCES[12]]
    async with opened({"default": model}) as pipeline:
        for analysis in analyses_of(await analyze(pipeline, texts)):
            spans = [sentence.span for sentence in analysis.sentences]
            joined = "".join(analysis.text[span.start : span.end] for span in spans)
            assert joined == analysis.text
            assert analysis.text in texts


async def test_an_effect_is_what_the_score_loses_without_the_word(model: Model) -> None:
    text = "the room was spotless"
    async with opened({"default": model}) as pipeline:
        analysis = await analyze_one(pipeline, text, explain=True)
        assert analysis.explanation
        assert analysis.score is not None
        for word in analysis.explanation.words:
            rest = text[: word.span.start] + text[word.span.end :]
            without = (await predict_one(pipeline, rest)).scored.scores
            expected = analysis.score - (without["positive"] - without["negative"])
            assert word.effect == pytest.approx(expected)
        total = sum(word.effect for word in analysis.explanation.words)
        assert total + analysis.explanation.remainder == pytest.approx(analysis.score)


async def test_an_explanation_changes_nothing_else(model: Model) -> None:
    async with opened({"default": model}) as pipeline:
        plain = await analyze_one(pipeline, TEXT)
        explained = await analyze_one(pipeline, TEXT, explain=True)
    assert plain == dataclasses.replace(explained, explanation=None)


async def test_everything_runs_as_one_request(model: Model) -> None:
    journal = Journal()
    limits = {"max_batch_tokens": 10_000, "max_batch_size": 1000}
    async with opened({"default": model}, journal, **limits) as pipeline:
        submitted: list[int] = []
        submit = pipeline.default.batcher.submit

        async def counted(texts: Sequence[TokenIds]) -> Any:
            submitted.append(len(texts))
            return await submit(texts)

        pipeline.default.batcher.submit = counted  # type: ignore[method-assign]
        analyses = analyses_of(await analyze(pipeline, [TEXT, "good", "bad room"], explain=True))
    words = [len(item.explanation.words) for item in analyses if item.explanation]
    # "good" is its only sentence and word, "bad room" its only sentence.
    assert submitted == [(1 + 4 + words[0]) + 1 + (1 + words[2])]
    assert sum(journal.runs) == submitted[0]


async def test_the_observer_hears_of_the_documents_only(model: Model) -> None:
    journal = Journal()
    async with opened({"default": model}, journal) as pipeline:
        analyses = await analyze(pipeline, [TEXT, "", "good"], explain=True)
    assert journal.replies == [analyses.reply]
    kinds = [type(item) for item in analyses.reply.items]
    assert kinds == [Outcome, InvalidInput, Outcome]


class KeywordEngine:
    """A text with 好 is positive, one with 差 negative, one with both or neither neutral."""

    provider = CPU

    def __init__(self, model: Model) -> None:
        self._good, self._bad = (model.tokenizer.encode(word)[-1] for word in "好差")

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        polarity = (ids == self._good).any(axis=1) * 5.0 - (ids == self._bad).any(axis=1) * 5.0
        neutral = np.ones(len(ids))
        return np.stack([-polarity, neutral, polarity], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("好。差。", True),
        ("差！\n快递！\n好！", True),
        ("好。快递。", False),
        ("差。快递。", False),
        ("快递。快递。", False),
        ("好。好。", False),
        ("好，就是差。", False),
    ],
)
async def test_mixed_is_a_positive_and_a_negative_sentence(
    model: Model, text: str, mixed: bool
) -> None:
    engine = KeywordEngine(model)
    async with opened({"default": Model(model.bundle, model.tokenizer, engine)}) as pipeline:
        assert (await analyze_one(pipeline, text)).mixed is mixed


async def test_a_model_without_polarity_has_neither_score_nor_mixed(model: Model) -> None:
    async with opened(with_labels(model, "joy", "calm", "anger")) as pipeline:
        analysis = await analyze_one(pipeline, TEXT, explain=True)
    assert analysis.score is None
    assert analysis.mixed is None
    assert {sentence.score for sentence in analysis.sentences} == {None}
    explanation = analysis.explanation
    assert explanation
    total = sum(word.effect for word in explanation.words) + explanation.remainder
    assert total == pytest.approx(analysis.outcome.scored.score)


async def test_polarity_is_found_in_any_case_and_place(model: Model) -> None:
    async with opened(with_labels(model, "Positive", "none", "NEGATIVE")) as pipeline:
        analysis = await analyze_one(pipeline, TEXT)
    scores = analysis.outcome.scored.scores
    assert analysis.score == scores["Positive"] - scores["NEGATIVE"]
    assert analysis.mixed is not None


async def test_of_a_text_that_is_cut_the_beginning_is_analyzed(model: Model) -> None:
    text = "the room was spotless. " * 40
    async with opened({"default": model}) as pipeline:
        analysis = await analyze_one(pipeline, text, truncate=True, explain=True)
        limit = pipeline.default.limits.max_tokens
    assert analysis.outcome.encoded.truncated
    assert len(analysis.text) < len(text)
    assert text.startswith(analysis.text)
    assert model.tokenizer.encode(analysis.text) == analysis.outcome.encoded.ids
    assert len(analysis.outcome.encoded.ids) == limit
    assert analysis.sentences[-1].span.end == len(analysis.text)
    assert analysis.explanation
    assert analysis.explanation.words[-1].span.end <= len(analysis.text)


async def test_a_text_that_is_cut_by_characters_is_cut_to_them(model: Model) -> None:
    async with opened({"default": model}, max_text_chars=30) as pipeline:
        analysis = await analyze_one(pipeline, "So good. " * 10, truncate=True, explain=True)
    assert analysis.text == ("So good. " * 10)[:30].rstrip()


async def test_a_text_of_which_only_a_blank_is_read_has_no_sentences(model: Model) -> None:
    assert model.tokenizer.pieces(model.tokenizer.encode("味道很好"))[0] == "▁"
    async with opened({"default": model}, max_tokens=1) as pipeline:
        analysis = await analyze_one(pipeline, " 味道很好", truncate=True, explain=True)
    assert analysis.sentences == []
    assert analysis.explanation
    assert analysis.explanation.words == []
    assert analysis.explanation.remainder == analysis.score


async def test_hundreds_of_sentences_are_answered_for_one_input(
    tokenizer_model: bytes, tmp_path: Path
) -> None:
    model = open_model(make_bundle(tmp_path / "long", tokenizer_model, max_tokens=8192))
    async with opened({"default": model}, max_inputs=1) as pipeline:
        analysis = await analyze_one(pipeline, "So good! 太差了。" * 300)
    assert len(analysis.sentences) == 600


async def test_too_many_words_to_explain_are_refused_with_both_numbers(model: Model) -> None:
    async with opened({"default": model}, explain_max_words=3) as pipeline:
        analyses = await analyze(pipeline, ["the room was good", "room"], explain=True)
        too_long, short = analyses.items
        assert isinstance(too_long, TooLarge)
        assert "has 4 words, the limit for `explain` is 3" in too_long.message
        assert isinstance(short, Analysis)
        assert (await analyze_one(pipeline, "the room was good")).explanation is None


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_queue_texts": 10}, r"come to \d+ texts or more, the limit is 10"),
        ({"max_queue_tokens": 80}, r"come to \d+ tokens or more, the limit is 80"),
    ],
)
async def test_what_the_queue_could_never_hold_is_refused_whole(
    model: Model, limit: dict[str, int], message: str
) -> None:
    async with opened({"default": model}, **limit) as pipeline:
        with pytest.raises(TooLarge, match=message) as caught:
            await analyze(pipeline, ["the room was spotless"] * 10, explain=True)
        assert caught.value.param == "inputs"
        assert pipeline.default.batcher.waiting_texts == 0


async def test_a_full_queue_takes_nothing_of_a_request(model: Model) -> None:
    engine = GatedEngine(model.engine)
    models = {"default": Model(model.bundle, model.tokenizer, engine)}
    async with opened(models, max_queue_texts=6, inline_ms=0, max_batch_size=1) as pipeline:
        running = asyncio.create_task(pipeline.predict(["good"] * 4))
        await asyncio.to_thread(engine.entered.wait)
        waiting = pipeline.default.batcher.waiting_texts
        with pytest.raises(Overloaded):
            await analyze(pipeline, ["Good room. Bad room. A room."])
        assert pipeline.default.batcher.waiting_texts == waiting
        engine.gate.set()
        await running


async def test_an_answer_that_is_late_is_given_up(model: Model) -> None:
    engine = GatedEngine(model.engine)
    models = {"default": Model(model.bundle, model.tokenizer, engine)}
    async with opened(models, inline_ms=0) as pipeline:
        with pytest.raises(DeadlineExceeded, match="no answer within 1 ms"):
            await analyze(pipeline, [TEXT], timeout_ms=1)
        assert pipeline.default.batcher.waiting_texts == 0
        engine.gate.set()


async def test_only_bad_texts_never_reach_the_engine(model: Model) -> None:
    models = {"default": Model(model.bundle, model.tokenizer, BrokenEngine())}
    async with opened(models) as pipeline:
        analyses = await analyze(pipeline, ["", " "], explain=True)
    assert all(isinstance(item, InvalidInput) for item in analyses.items)
