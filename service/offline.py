"""Predicting without a server, over the same pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from service.answers import describe_outcome
from service.catalog import open_models
from service.errors import RequestError
from service.pipeline import Outcome, open_pipeline
from service.schemas import ErrorResponse, Prediction, describe_error
from service.settings import Settings

CHUNK_TEXTS = 256  # enough to fill batches, few enough to see answers soon
UNLIMITED = {"max_inputs": CHUNK_TEXTS, "max_queue_tokens": 2**62, "timeout_ms": 2**40}


async def predict_lines(
    settings: Settings,
    texts: Iterable[str],
    write: Callable[[str], None],
    top_k: int | None = None,
    *,
    raw_scores: bool = False,
    truncate: bool = False,
) -> bool:
    """Write the answer to each text as a line of JSON; say whether every text had one.

    Raises BundleError or ProviderError when the model cannot be opened.
    """
    all_answered = True
    # Nobody else waits here, and no client gives up: only the limits of a text still hold.
    settings = settings.model_copy(update=UNLIMITED)
    async with open_pipeline(settings, open_models(settings)) as pipeline:
        for chunk in _chunks(texts, CHUNK_TEXTS):
            reply = await pipeline.predict(chunk, raw_scores=raw_scores, truncate=truncate)
            for item in reply.items:
                all_answered = all_answered and isinstance(item, Outcome)
                write(_describe(item, top_k).model_dump_json(exclude_none=True))
    return all_answered


def _describe(item: Outcome | RequestError, top_k: int | None) -> Prediction | ErrorResponse:
    return describe_outcome(item, top_k) if isinstance(item, Outcome) else describe_error(item)


def _chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(texts)
    while chunk := list(islice(rest, size)):
        yield chunk
