"""The client for code that waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, Unpack, overload

import httpx2 as httpx
from tenacity import Retrying

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
from service.client.batches import BATCH_CHARS, BATCH_SIZE, BatchLimits, cut_batches
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


class SentimentClient:
    """A connection to one service, kept open until `close`; threads may share it.

    A try that takes longer than `timeout_s` fails. Answers 429 and 503 and broken connections
    are tried again as `retries` says. `headers` go with every request, such as a proxy's
    Authorization; `transport` is httpx's, for certificates of your own and the like.

    Every method raises a `service.errors.RequestError` as the service said it (`type`,
    `message`, `param`, `status`), NoAnswer when the service cannot be reached or is late, and
    UnexpectedAnswer for an answer that is not the service's own.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_RETRIES,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        arguments = connection_arguments(url, timeout_s, headers)
        self._http = httpx.Client(transport=transport, **arguments)
        self._retrying = Retrying(sleep=sleep, **retry_arguments(retries, clock))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @overload
    def predict(self, texts: str, **options: Unpack[Options]) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def predict(self, texts: Iterable[str], **options: Unpack[Options]) -> list[Result]: ...

    def predict(
        self, texts: str | Iterable[str], **options: Unpack[Options]
    ) -> Prediction | list[Result]:
        """The sentiment of one text, or of each of some texts in one request.

        Of several, one that cannot be answered has an ItemError in its place. When none can,
        and for one text alone, its error is raised. Options: `model`, `top_k`, `raw_scores`,
        `truncate`, as in POST /predict.
        """
        if isinstance(texts, str):
            return read_prediction(self._post("/predict", write_predict(texts, options)))
        return read_results(self._post("/predict", write_predict(list(texts), options)))

    def predict_many(
        self,
        texts: Iterable[str],
        *,
        batch_size: int = BATCH_SIZE,
        batch_chars: int = BATCH_CHARS,
        in_flight: int = IN_FLIGHT,
        **options: Unpack[Options],
    ) -> Iterator[Result]:
        """The sentiment of any number of texts, in order, in memory that does not grow.

        Requests hold up to `batch_size` texts and `batch_chars` characters, and up to
        `in_flight` of them are under way, so no more texts than that are read ahead. A text
        that cannot be answered has an ItemError in its place. Any other error ends it.
        """
        limits = BatchLimits(batch_size, batch_chars)
        check_in_flight(in_flight)
        return self._stream(cut_batches(texts, limits), in_flight, options)

    def _stream(
        self, batches: Iterator[list[str]], in_flight: int, options: Options
    ) -> Iterator[Result]:
        asked: deque[Future[list[Result]]] = deque()
        with ThreadPoolExecutor(in_flight) as threads:
            for batch in batches:
                asked.append(threads.submit(self._ask, batch, options))
                if len(asked) == in_flight:
                    yield from asked.popleft().result()
            while asked:
                yield from asked.popleft().result()

    def _ask(self, batch: list[str], options: Options) -> list[Result]:
        try:
            return self.predict(batch, **options)
        except RequestError as error:
            if not is_about_texts(error, batch):
                raise
            if len(batch) == 1:
                return [as_item_error(error)]
        # None of them can be answered, and only the first one's error was given.
        return [result for text in batch for result in self._ask([text], options)]

    def info(self) -> InfoResponse:
        """The service, its default model and its limits."""
        return read_answer(InfoResponse, self._get("/info"))

    def models(self) -> list[ModelInfo]:
        """The models that `model` may name, the default one first."""
        return read_answer(ModelsResponse, self._get("/models")).models

    def ready(self) -> bool:
        """Whether the service answers texts at this moment; asked once."""
        try:
            return read_ready(self._http.get("/health/ready"))
        except httpx.RequestError:
            return False

    # Each with a copy, as tenacity's decorator does: a Retrying holds the state of its call.
    def _get(self, path: str) -> httpx.Response:
        with reported(path):
            return self._retrying.copy()(self._http.get, path)

    def _post(self, path: str, content: bytes) -> httpx.Response:
        with reported(path):
            return self._retrying.copy()(self._http.post, path, content=content)
