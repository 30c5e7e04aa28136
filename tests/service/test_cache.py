from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.batcher import Answer
from service.cache import AnswerCache
from service.engine import Engine, Float32, Int32
from service.errors import TooLarge, Unavailable
from service.model import Model
from service.pipeline import Pipeline, open_pipeline
from service.replies import Outcome
from service.settings import Settings
from service.waiting import TokenIds

pytestmark = pytest.mark.anyio

TEXTS = ["The room was spotless.", "味道很好", "Never again: cold soup, rude waiter."]
LONG = "The parcel arrived on Tuesday. " * 20  # beyond the 64 tokens that the model reads


class CountingEngine:
    """Another engine, which counts the texts that it runs, and fails while it is broken."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.provider = engine.provider
        self.texts = 0
        self.broken = False

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        if self.broken:
            raise RuntimeError
        self.texts += len(ids)
        return self._engine.run(ids, lengths)


@pytest.fixture
def engine(model: Model) -> CountingEngine:
    return CountingEngine(model.engine)


@pytest.fixture
def counted(model: Model, engine: CountingEngine) -> dict[str, Model]:
    """Two models over one engine."""
    return {name: Model(model.bundle, model.tokenizer, engine) for name in ("default", "other")}


@asynccontextmanager
async def opened(models: dict[str, Model], texts: int = 100) -> AsyncIterator[Pipeline]:
    async with open_pipeline(Settings(workers=1, cache_texts=texts), models) as pipeline:
        yield pipeline


async def test_a_text_that_comes_again_gets_the_same_bits_without_a_run(
    counted: dict[str, Model], engine: CountingEngine
) -> None:
    async with opened(counted, texts=0) as pipeline:
        expected = await pipeline.predict(TEXTS)
    async with opened(counted) as pipeline:
        first = await pipeline.predict(TEXTS)
        ran = engine.texts
        again = await pipeline.predict(TEXTS[::-1])
        rows = await pipeline.predict_rows(TEXTS)
    assert engine.texts == ran
    assert first.items == expected.items
    assert again.items == expected.items[::-1]
    assert rows.items == expected.items
    assert (again.timing.queue_s, again.timing.infer_s) == (0.0, 0.0)
    assert again.timing.total_s >= again.timing.tokenize_s > 0


async def test_only_what_is_new_in_a_request_runs(
    counted: dict[str, Model], engine: CountingEngine
) -> None:
    async with opened(counted) as pipeline:
        alone = (await pipeline.predict([TEXTS[1]])).items
        ran = engine.texts
        together = (await pipeline.predict(TEXTS)).items
    assert together[1:2] == alone
    assert engine.texts == ran + 2


async def test_the_text_that_was_asked_longest_ago_is_forgotten_first(
    counted: dict[str, Model], engine: CountingEngine
) -> None:
    first, second, third = TEXTS
    async with opened(counted, texts=2) as pipeline:
        for text in (first, second, first, third, first):
            await pipeline.predict([text])
        assert engine.texts == 3
        await pipeline.predict([second])
        assert engine.texts == 4


async def test_nothing_is_kept_by_default(
    counted: dict[str, Model], engine: CountingEngine
) -> None:
    async with open_pipeline(Settings(workers=1), counted) as pipeline:
        for _ in range(2):
            await pipeline.predict(["good"])
    assert engine.texts == 2


async def test_each_model_has_its_own_answers(
    counted: dict[str, Model], engine: CountingEngine
) -> None:
    async with opened(counted) as pipeline:
        for name in ("default", "other", "default", "other"):
            assert (await pipeline.predict(["good"], model=name)).model == name
    assert engine.texts == 2


async def test_a_text_is_refused_though_its_beginning_is_known(counted: dict[str, Model]) -> None:
    async with opened(counted) as pipeline:
        for _ in range(2):
            (cut,) = (await pipeline.predict([LONG], truncate=True)).items
            assert isinstance(cut, Outcome)
            assert cut.encoded.truncated
        (refused,) = (await pipeline.predict([LONG])).items
    assert isinstance(refused, TooLarge)


async def test_raw_scores_come_from_the_same_run(
    counted: dict[str, Model], engine: CountingEngine
) -> None:
    async with opened(counted, texts=0) as pipeline:
        expected = await pipeline.predict(TEXTS, raw_scores=True)
    ran = engine.texts
    async with opened(counted) as pipeline:
        await pipeline.predict(TEXTS)
        assert (await pipeline.predict(TEXTS, raw_scores=True)).items == expected.items
    assert engine.texts == ran + len(TEXTS)


async def test_a_run_that_fails_is_not_kept(
    counted: dict[str, Model], engine: CountingEngine
) -> None:
    async with opened(counted) as pipeline:
        engine.broken = True
        with pytest.raises(Unavailable):
            await pipeline.predict(["good"])
        engine.broken = False
        assert isinstance((await pipeline.predict(["good"])).items[0], Outcome)


async def test_what_is_kept_of_a_text_is_a_hash_under_a_key_of_its_own() -> None:
    async def submit(texts: Sequence[TokenIds]) -> Answer:
        return Answer([[0.5] for _ in texts], 0.0, 0.0)

    kept = []
    for _ in range(2):
        cache = AnswerCache(10, note_hits=lambda texts: None)
        await cache.answer([[7, 8, 9]], submit)
        kept.append(list(cache._rows))
    assert [len(key) for keys in kept for key in keys] == [32, 32]
    assert kept[0] != kept[1]


@pytest.fixture
def client(counted: dict[str, Model]) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(workers=1, cache_texts=100), counted)) as client:
        yield client


def test_texts_from_the_cache_are_counted_by_model(client: TestClient) -> None:
    for inputs in (TEXTS[:2], TEXTS, TEXTS):
        client.post("/predict", json={"inputs": inputs, "model": "other"})
    families = text_string_to_metric_families(client.get("/metrics").text)
    values = {
        (sample.name, sample.labels.get("model")): sample.value
        for family in families
        for sample in family.samples
    }
    assert values["sentiment_cache_hits_total", "other"] == 5
    assert values["sentiment_texts_total", "other"] == 3
    assert values["sentiment_cache_hits_total", "default"] == 0
