from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.cpus import NICENESS
from service.engine import Float32, Int32
from service.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    RequestError,
    TooLarge,
    Unavailable,
)
from service.model import Model
from service.pipeline import Pipeline, open_pipeline
from service.replies import Outcome, Reply
from service.settings import Settings
from tests.service.fakes import BrokenEngine, GatedEngine

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(models: Mapping[str, Model], **settings: Any) -> AsyncIterator[Pipeline]:
    async with open_pipeline(Settings(workers=1, **settings), models) as pipeline:
        yield pipeline


def with_engine(model: Model, engine: Any) -> dict[str, Model]:
    return {"default": Model(model.bundle, model.tokenizer, engine)}


def outcomes(reply: Reply) -> list[Outcome]:
    assert all(isinstance(item, Outcome) for item in reply.items)
    return [item for item in reply.items if isinstance(item, Outcome)]


async def test_texts_are_answered_in_their_order(models: dict[str, Model]) -> None:
    texts = ["The room was spotless.", "味道很好", "Never again: cold soup, rude waiter."]
    async with opened(models) as pipeline:
        together = outcomes(await pipeline.predict(texts))
        alone = [outcomes(await pipeline.predict([text]))[0] for text in texts]
    assert together == alone


async def test_golden_texts_get_their_golden_probabilities(models: dict[str, Model]) -> None:
    golden = models["default"].manifest.golden
    async with opened(models) as pipeline:
        reply = await pipeline.predict([text.text for text in golden])
    for outcome, expected in zip(outcomes(reply), golden, strict=True):
        assert outcome.scored.scores == pytest.approx(expected.scores)


async def test_a_bad_text_is_an_error_in_its_place(models: dict[str, Model]) -> None:
    async with opened(models) as pipeline:
        reply = await pipeline.predict(["good", "", "bad"])
    good, empty, bad = reply.items
    assert isinstance(good, Outcome)
    assert isinstance(bad, Outcome)
    assert isinstance(empty, InvalidInput)
    assert empty.param is None


async def test_only_bad_texts_never_reach_the_engine(model: Model) -> None:
    async with opened(with_engine(model, BrokenEngine())) as pipeline:
        reply = await pipeline.predict(["", " "])
    assert all(isinstance(item, RequestError) for item in reply.items)


async def test_raw_scores_are_logits(model: Model) -> None:
    async with opened({"default": model}) as pipeline:
        (item,) = outcomes(await pipeline.predict(["good"], raw_scores=True))
    logits = model.logits([model.tokenizer.encode("good")])[0]
    assert list(item.scored.scores.values()) == [float(logit) for logit in logits]


async def test_a_request_can_name_its_model(models: dict[str, Model]) -> None:
    async with opened(models) as pipeline:
        first = await pipeline.predict(["good"])
        other = await pipeline.predict(["good"], model="other")
    assert (first.model, other.model) == ("default", "other")
    assert first.items != other.items


async def test_an_unknown_model_is_not_found(models: dict[str, Model]) -> None:
    async with opened(models) as pipeline:
        with pytest.raises(NotFound, match="available: default, other") as caught:
            await pipeline.predict(["good"], model="third")
    assert caught.value.param == "model"


async def test_too_many_texts_are_refused_with_both_numbers(models: dict[str, Model]) -> None:
    async with opened(models, max_inputs=2) as pipeline:
        with pytest.raises(TooLarge, match="has 3 texts, the limit is 2"):
            await pipeline.predict(["a", "b", "c"])


@pytest.mark.parametrize(("setting", "limit"), [(10, 10), (1000, 64)])
async def test_the_smaller_limit_of_tokens_holds(model: Model, setting: int, limit: int) -> None:
    async with opened({"default": model}, max_tokens=setting) as pipeline:
        reply = await pipeline.predict(["the room " * 200], truncate=True)
    assert len(outcomes(reply)[0].encoded.ids) == limit


async def test_an_answer_that_is_late_is_given_up(model: Model) -> None:
    engine = GatedEngine(model.engine)
    async with opened(with_engine(model, engine), timeout_ms=1, inline_ms=0) as pipeline:
        with pytest.raises(DeadlineExceeded, match="no answer within 1 ms"):
            await pipeline.predict(["good"])
        engine.gate.set()


@pytest.mark.parametrize(("setting_ms", "asked_ms"), [(60_000, 1), (1, 60_000)])
async def test_a_client_can_only_lower_the_limit(
    model: Model, setting_ms: int, asked_ms: int
) -> None:
    engine = GatedEngine(model.engine)
    async with opened(with_engine(model, engine), timeout_ms=setting_ms, inline_ms=0) as pipeline:
        with pytest.raises(DeadlineExceeded, match="no answer within 1 ms"):
            await pipeline.predict(["good"], timeout_ms=asked_ms)
        engine.gate.set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no thread has its own niceness")
@pytest.mark.parametrize(("inline_ms", "niceness"), [(0, NICENESS), (1000, 0)])
async def test_long_runs_leave_the_cpu_to_short_ones(
    model: Model, inline_ms: int, niceness: int
) -> None:
    class NotingEngine:
        provider = model.engine.provider
        niceness: int

        def run(self, ids: Int32, lengths: Int32) -> Float32:
            self.niceness = os.getpriority(os.PRIO_PROCESS, 0)  # the calling thread's
            return model.engine.run(ids, lengths)

    engine = NotingEngine()
    before = os.getpriority(os.PRIO_PROCESS, 0)
    async with opened(with_engine(model, engine), inline_ms=inline_ms) as pipeline:
        await pipeline.predict(["good"])
    assert engine.niceness == min(before + niceness, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


async def test_a_failing_engine_is_unavailable(model: Model) -> None:
    async with opened(with_engine(model, BrokenEngine())) as pipeline:
        with pytest.raises(Unavailable):
            await pipeline.predict(["good"])
        with pytest.raises(Unavailable, match="model default does not answer"):
            await pipeline.probe()


async def test_probe_passes_while_the_queue_is_full(model: Model) -> None:
    engine = GatedEngine(model.engine)
    async with opened(with_engine(model, engine), max_queue_tokens=20, inline_ms=0) as pipeline:
        running = asyncio.create_task(pipeline.predict(["good"]))
        await asyncio.to_thread(engine.entered.wait)
        waiting = asyncio.create_task(pipeline.predict(["the room was spotless"]))
        probing = asyncio.create_task(pipeline.probe())
        engine.gate.set()
        await asyncio.gather(running, waiting, probing)


async def test_a_closed_pipeline_is_unavailable(models: dict[str, Model]) -> None:
    async with opened(models) as pipeline:
        await pipeline.probe()
    with pytest.raises(Unavailable, match="stopping"):
        await pipeline.probe()
    with pytest.raises(Unavailable, match="stopping"):
        await pipeline.predict(["good"])


async def test_timing_adds_up(models: dict[str, Model]) -> None:
    async with opened(models) as pipeline:
        timing = (await pipeline.predict(["good"])).timing
    assert min(timing.tokenize_s, timing.queue_s, timing.infer_s) >= 0
    assert timing.tokenize_s + timing.queue_s + timing.infer_s <= timing.total_s
