"""The client for code on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from types import TracebackType
from typing import Self, Unpack, overload

import httpx2 as httpx
from tenacity import AsyncRetrying

from service.client.answers import (
    Result,
    as_item_error,
    is_about_texts,
    read_answer,
    read_prediction,
    read_ready,
    read_results,
    reported,
)
from service.client.batches import BATCH_CHARS, BATCH_SIZE, BatchLimits, cut_batches_async
from service.client.requests import (
    DEFAULT_URL,
    IN_FLIGHT,
    TIMEOUT_S,
    Options,
    check_in_flight,
    connection_arguments,
    write_predict,
)
from service.client.retries import DEFAULT_RETRIES, RetryPolicy, retry_arguments
from service.errors import RequestError
from service.schemas import InfoResponse, ModelInfo, ModelsResponse, Prediction


class AsyncSentimentClient:
    """SentimentClient for asyncio: the same arguments, methods and errors, to be awaited."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_RETRIES,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        arguments = connection_arguments(url, timeout_s, headers)
        self._http = httpx.AsyncClient(transport=transport, **arguments)
        self._retrying = AsyncRetrying(sleep=sleep, **retry_arguments(retries, clock))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    @overload
    async def predict(self, texts: str, **options: Unpack[Options]) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    async def predict(self, texts: Iterable[str], **options: Unpack[Options]) -> list[Result]: ...

    async def predict(
        self, texts: str | Iterable[str], **options: Unpack[Options]
    ) -> Prediction | list[Result]:
        """As SentimentClient.predict."""
        if isinstance(texts, str):
            return read_prediction(await self._post("/predict", write_predict(texts, options)))
        return read_results(await self._post("/predict", write_predict(list(texts), options)))

    def predict_many(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        batch_size: int = BATCH_SIZE,
        batch_chars: int = BATCH_CHARS,
        in_flight: int = IN_FLIGHT,
        **options: Unpack[Options],
    ) -> AsyncGenerator[Result, None]:
        """As SentimentClient.predict_many, also of texts that come over time.

        A text then waits until its batch is full. Who stops reading early closes the iterator
        (`contextlib.aclosing`), which cancels the requests under way.
        """
        limits = BatchLimits(batch_size, batch_chars)
        check_in_flight(in_flight)
        return self._stream(cut_batches_async(texts, limits), in_flight, options)

    async def _stream(
        self, batches: AsyncIterator[list[str]], in_flight: int, options: Options
    ) -> AsyncGenerator[Result, None]:
        asked: deque[asyncio.Task[list[Result]]] = deque()
        try:
            async for batch in batches:
                asked.append(asyncio.create_task(self._ask(batch, options)))
                if len(asked) == in_flight:
                    for result in await asked.popleft():
                        yield result
            while asked:
                for result in await asked.popleft():
                    yield result
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _ask(self, batch: list[str], options: Options) -> list[Result]:
        try:
            return await self.predict(batch, **options)
        except RequestError as error:
            if not is_about_texts(error, batch):
                raise
            if len(batch) == 1:
                return [as_item_error(error)]
        # None of them can be answered, and only the first one's error was given.
        return [result for text in batch for result in await self._ask([text], options)]

    async def info(self) -> InfoResponse:
        """The service, its default model and its limits."""
        return read_answer(InfoResponse, await self._get("/info"))

    async def models(self) -> list[ModelInfo]:
        """The models that `model` may name, the default one first."""
        return read_answer(ModelsResponse, await self._get("/models")).models

    async def ready(self) -> bool:
        """Whether the service answers texts at this moment; asked once."""
        try:
            return read_ready(await self._http.get("/health/ready"))
        except httpx.RequestError:
            return False

    # Each with a copy, as tenacity's decorator does: a Retrying holds the state of its call.
    async def _get(self, path: str) -> httpx.Response:
        with reported(path):
            return await self._retrying.copy()(self._http.get, path)

    async def _post(self, path: str, content: bytes) -> httpx.Response:
        with reported(path):
            return await self._retrying.copy()(self._http.post, path, content=content)
