"""Both clients against a real server process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, aclosing
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from service.client import (
    AsyncSentimentClient,
    ItemError,
    NoAnswer,
    Prediction,
    RetryPolicy,
    SentimentClient,
)
from service.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    TooLarge,
    Unavailable,
)
from tests.live import find_free_port
from tests.service.faulty_server import FAILS
from tests.service.serving import PATIENCE_S, Server, wait_until
from tests.service.test_overload import QUEUE_TEXTS, TEXT, FaultyServer

ENGLISH = "The room was spotless."
CHINESE = "味道很差,再也不来了。"
LABELS = {"negative", "neutral", "positive"}
EMPTY = ItemError("invalid_input", "the text is empty")


class Waiting:
    """AsyncSentimentClient with the methods of SentimentClient, on a loop of its own."""

    def __init__(self, url: str, **arguments: Any) -> None:
        self._loop = asyncio.Runner()
        if sleep := arguments.pop("sleep", None):

            async def sleep_async(seconds: float) -> None:
                sleep(seconds)

            arguments["sleep"] = sleep_async
        self._client = AsyncSentimentClient(url, **arguments)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._loop.run(
            getattr(self._client, method)(*args, **kwargs)
        )

    def predict_many(self, texts: Iterable[str], **options: Any) -> Iterator[Any]:
        results = self._client.predict_many(texts, **options)
        try:
            while True:
                yield self._loop.run(anext(results))
        except StopAsyncIteration:
            pass
        finally:
            self._loop.run(results.aclose())

    def close(self) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()


Connect = Callable[..., Any]


@pytest.fixture(params=[SentimentClient, Waiting], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of either kind."""
    with ExitStack() as stack:

        def connect(port: int, **arguments: Any) -> Any:
            client = request.param(f"http://127.0.0.1:{port}", **arguments)
            stack.callback(client.close)
            return client

        yield connect


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("client") / "log"
    settings = {"models": "default,other", "processes": 1, "max_body_bytes": 20_000}
    with Server(models_dir, log, **settings) as server:
        yield server


@pytest.fixture
def client(connect: Connect, server: Server) -> Any:
    return connect(server.port)


def test_one_text_gets_one_prediction(client: Any) -> None:
    prediction = client.predict(ENGLISH)
    assert isinstance(prediction, Prediction)
    assert set(prediction.scores) == LABELS
    assert prediction.score == prediction.scores[prediction.label]
    assert not prediction.truncated


def test_many_texts_get_as_many_results_in_order(client: Any) -> None:
    expected = [client.predict(ENGLISH), EMPTY, client.predict(CHINESE)]
    assert client.predict(iter([ENGLISH, "", CHINESE])) == expected


def test_options_are_those_of_the_route(client: Any) -> None:
    other = client.predict(ENGLISH, model="other", top_k=1)
    assert len(other.scores) == 1
    assert other != client.predict(ENGLISH, top_k=1)
    assert sum(client.predict(ENGLISH, raw_scores=True).scores.values()) != pytest.approx(1)
    assert client.predict("the room " * 100, truncate=True).truncated


def test_what_the_service_refuses_is_raised_as_it_said_it(client: Any) -> None:
    with pytest.raises(NotFound, match="no such model") as unknown:
        client.predict(ENGLISH, model="third")
    error = unknown.value
    assert (error.type, error.status, error.param) == ("not_found", 404, "model")
    with pytest.raises(InvalidInput, match="the text is empty"):
        client.predict("")
    with pytest.raises(InvalidInput, match="the list is empty"):
        client.predict([])
    with pytest.raises(TooLarge, match="the limit is 64"):
        client.predict("the room " * 100)


def test_a_lone_surrogate_is_refused_in_its_place(client: Any) -> None:
    good, bad = client.predict([ENGLISH, "\ud800"])
    assert isinstance(good, Prediction)
    assert "lone surrogate" in bad.message


def test_what_is_no_text_is_refused_before_it_is_sent(client: Any) -> None:
    with pytest.raises(TypeError, match="a text must be a str, not NoneType"):
        client.predict([ENGLISH, None])


def test_tells_what_is_served(client: Any) -> None:
    assert client.ready()
    assert client.info().model.name == "default"
    assert [model.name for model in client.models()] == ["default", "other"]


def test_any_number_of_texts_comes_back_in_order(client: Any) -> None:
    texts = [f"{ENGLISH} {number}" for number in range(50)]
    expected = client.predict(texts)
    assert list(client.predict_many(texts, batch_size=7)) == expected
    assert list(client.predict_many(texts, batch_chars=60, in_flight=1)) == expected
    assert list(client.predict_many([])) == []


def test_bad_texts_have_their_own_error_even_where_a_whole_batch_is_bad(client: Any) -> None:
    huge, blank = "a" * 30_000, "  "  # the first beyond the limit of a body
    texts = [ENGLISH, "", "", blank, huge, CHINESE]
    results = list(client.predict_many(texts, batch_size=2, batch_chars=1000))
    assert isinstance(results[0], Prediction)
    assert results[1:4] == [EMPTY, EMPTY, ItemError("invalid_input", "the text is blank")]
    assert results[4].type == "too_large"
    assert results[5] == client.predict(CHINESE)


def test_an_error_of_the_request_ends_the_stream(client: Any) -> None:
    with pytest.raises(NotFound):
        list(client.predict_many([ENGLISH] * 10, batch_size=2, model="third"))


def test_reads_no_further_ahead_than_what_is_in_flight(client: Any) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield ENGLISH

    results = client.predict_many(endless(), batch_size=5)
    for taken, _ in enumerate(islice(results, 200), 1):
        assert read <= taken + 5 * (4 + 1)
    results.close()


@pytest.mark.parametrize("limit", ["batch_size", "batch_chars", "in_flight"])
def test_limits_of_a_stream_are_named(client: Any, limit: str) -> None:
    with pytest.raises(ValueError, match=f"{limit} must be at least 1, it is 0"):
        list(client.predict_many([ENGLISH], **{limit: 0}))


def test_texts_may_come_over_time_and_a_stream_be_left(server: Server) -> None:
    async def come() -> AsyncIterator[str]:
        for number in count():
            await asyncio.sleep(0)
            yield f"{ENGLISH} {number}"

    async def leave_early() -> list[Any]:
        async with AsyncSentimentClient(f"http://127.0.0.1:{server.port}") as client:
            found = []
            async with aclosing(client.predict_many(come(), batch_size=3)) as results:
                async for result in results:
                    found.append(result)
                    if len(found) == 10:
                        break
            assert len(asyncio.all_tasks()) == 1
            return found

    with SentimentClient(f"http://127.0.0.1:{server.port}") as client:
        expected = client.predict(f"{ENGLISH} {number}" for number in range(10))
    assert asyncio.run(leave_early()) == expected


@pytest.fixture
def faulty(models_dir: Path, tmp_path: Path) -> Iterator[FaultyServer]:
    settings = {"max_queue_texts": QUEUE_TEXTS, "hang_timeout_s": 60}
    with FaultyServer(models_dir, tmp_path, **settings) as server:
        yield server


def test_a_full_queue_is_asked_again_after_what_it_says(
    connect: Connect, faulty: FaultyServer
) -> None:
    waits_s = []
    with ExitStack() as busy:

        def sleep(seconds: float) -> None:
            waits_s.append(seconds)
            busy.close()
            wait_until(lambda: faulty.predict([TEXT] * QUEUE_TEXTS).status == 200, "room")

        client = connect(faulty.port, sleep=sleep)
        busy.enter_context(faulty.busy())
        waiting = faulty.fill_queue(QUEUE_TEXTS)
        assert isinstance(client.predict(TEXT), Prediction)
    assert {answer.result().status for answer in waiting} == {200}
    assert [1 <= wait_s < 11 for wait_s in waits_s] == [True]


def test_a_queue_that_stays_full_is_an_error(connect: Connect, faulty: FaultyServer) -> None:
    waits_s: list[float] = []
    client = connect(faulty.port, sleep=waits_s.append, retries=RetryPolicy(tries=3))
    with faulty.busy():
        waiting = faulty.fill_queue(QUEUE_TEXTS)
        with pytest.raises(Overloaded):
            list(client.predict_many([TEXT, TEXT]))
    assert len(waits_s) == 2
    assert {answer.result().status for answer in waiting} == {200}


def test_an_engine_that_keeps_failing_is_an_error(connect: Connect, faulty: FaultyServer) -> None:
    waits_s: list[float] = []
    client = connect(faulty.port, sleep=waits_s.append, retries=RetryPolicy(tries=3))
    with pytest.raises(Unavailable) as failed:
        client.predict(FAILS)
    assert failed.value.status == 503
    assert len(waits_s) == 2


def test_the_service_learns_how_long_its_client_waits(
    connect: Connect, faulty: FaultyServer
) -> None:
    client = connect(faulty.port, timeout_s=0.2)
    with faulty.busy(), pytest.raises(DeadlineExceeded, match="within 200 ms"):
        client.predict(TEXT)


def test_a_service_that_restarts_costs_no_answer(
    connect: Connect, faulty: FaultyServer, models_dir: Path, tmp_path: Path
) -> None:
    """The first try meets a server that stops, the second none, the third a new one."""
    with ExitStack() as stack:
        busy = stack.enter_context(ExitStack())
        steps: list[Callable[[], Any]] = [
            lambda: (busy.close(), faulty.process.wait(PATIENCE_S)),
            lambda: stack.enter_context(Server(models_dir, tmp_path / "new", port=faulty.port)),
        ]
        client = connect(faulty.port, sleep=lambda _: steps.pop(0)())
        before = client.predict(TEXT)
        busy.enter_context(faulty.busy())
        faulty.process.terminate()
        wait_until(lambda: not client.ready(), "readiness to end")
        assert client.predict(TEXT) == before
        assert steps == []


def test_nobody_there_is_an_error(connect: Connect) -> None:
    waits_s: list[float] = []
    client = connect(find_free_port(), sleep=waits_s.append)
    assert not client.ready()
    with pytest.raises(NoAnswer, match="/predict: ConnectError"):
        client.predict(TEXT)
    assert len(waits_s) == 5


@pytest.mark.parametrize("timeout_s", [0, -1, 1e9, float("nan")])
def test_a_timeout_that_cannot_be_is_refused(connect: Connect, timeout_s: float) -> None:
    with pytest.raises(ValueError, match=r"timeout_s must be from 0\.001 to 999999"):
        connect(8000, timeout_s=timeout_s)


def test_importing_the_client_needs_nothing_of_the_service() -> None:
    code = """
import sys
for name in ("fastapi", "numpy", "onnxruntime", "sentencepiece", "starlette", "typer", "uvicorn"):
    sys.modules[name] = None
import service.client
"""
    subprocess.run([sys.executable, "-c", code], check=True)
