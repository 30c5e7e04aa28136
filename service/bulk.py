"""Many rows: windows of them answered side by side and given back in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from service.answers import describe_outcome
from service.errors import RequestError, Unavailable
from service.pipeline import Pipeline
from service.replies import Outcome
from service.schemas import Answered, describe_error

AHEAD = 4  # windows in flight, so that the queue holds texts to plan while one is written

W = TypeVar("W")
A = TypeVar("A")
T = TypeVar("T")


@asynccontextmanager
async def in_order(
    windows: AsyncIterator[W], answer: Callable[[W], Awaitable[A]], ahead: int = AHEAD
) -> AsyncIterator[AsyncIterator[tuple[W, A]]]:
    """Each window with its answer, in order, as soon as it and all before it are answered.

    At most `ahead` windows are answered or wait to be taken; no further one is read
    meanwhile. What reading raises comes after the answers to all that was read before.
    Leaving cancels whatever is under way.
    """
    answering: asyncio.Queue[tuple[W, asyncio.Task[A]] | None] = asyncio.Queue()
    room = asyncio.Semaphore(ahead)
    tasks: set[asyncio.Task[A]] = set()

    async def read() -> None:
        try:
            async for window in windows:
                await room.acquire()
                task = asyncio.ensure_future(answer(window))
                tasks.add(task)
                answering.put_nowait((window, task))
        finally:
            answering.put_nowait(None)

    async def take() -> AsyncIterator[tuple[W, A]]:
        while item := await answering.get():
            window, task = item
            yield window, await task
            tasks.discard(task)
            room.release()
        await reading

    reading = asyncio.create_task(read())
    try:
        yield take()
    finally:
        under_way = [reading, *tasks]
        for each in under_way:
            each.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """What an iterator that reads from a file gives, one by one."""
    while (item := await asyncio.to_thread(next, items, None)) is not None:
        yield item


async def predict_window(
    pipeline: Pipeline,
    texts: Sequence[str | RequestError],
    *,
    param: str | None = None,
    model: str | None = None,
    top_k: int | None = None,
    raw_scores: bool = False,
    truncate: bool = False,
) -> list[Answered]:
    """The answer to each row of a window, or its error; that of a text names `param`.

    When a batch fails, so do the rows of its window, and no others. Raises Unavailable when
    the pipeline has stopped for good.
    """
    try:
        reply = await pipeline.predict_rows(
            texts, model=model, raw_scores=raw_scores, truncate=truncate
        )
    except Unavailable as error:
        if pipeline.find_lane(model).batcher.closed:
            raise
        return [describe_error(error)] * len(texts)
    return [
        describe_outcome(item, top_k)
        if isinstance(item, Outcome)
        else describe_error(item, param if isinstance(text, str) else None)
        for text, item in zip(texts, reply.items, strict=True)
    ]
