"""From what the service answers to results and exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx2 as httpx
from pydantic import BaseModel, ValidationError

from service.errors import STATUS, RequestError, SentimentError, TooLarge
from service.schemas import ErrorResponse, Prediction, PredictResponse

ERRORS = {kind.type: kind for kind in STATUS}
QUOTED_CHARS = 200
ABOUT_A_TEXT = re.compile(r"inputs\.\d+")
M = TypeVar("M", bound=BaseModel)


class NoAnswer(SentimentError):
    """The service cannot be reached, or did not answer in time."""


class UnexpectedAnswer(SentimentError):
    """An answer that is not the service's own, such as a proxy's error page."""

    def __init__(self, response: httpx.Response) -> None:
        start = response.text[:QUOTED_CHARS]
        super().__init__(f"status {response.status_code} from {response.url}: {start!r}")
        self.status = response.status_code


@dataclass(frozen=True)
class ItemError:
    """Why one text of several has no answer; `type` is that of `service.errors`."""

    type: str
    message: str


Result = Prediction | ItemError


def read_answer(schema: type[M], response: httpx.Response) -> M:
    """The answer as its schema; raises RequestError as the service said it."""
    if not response.is_success:
        raise read_error(response)
    try:
        return schema.model_validate_json(response.content)
    except ValidationError:
        raise UnexpectedAnswer(response) from None


def read_error(response: httpx.Response) -> SentimentError:
    """The exception of `service.errors` that the service raised at its side."""
    try:
        body = ErrorResponse.model_validate_json(response.content).error
    except ValidationError:
        return UnexpectedAnswer(response)
    if body.type not in ERRORS:
        return UnexpectedAnswer(response)
    error = ERRORS[body.type](body.message)
    error.param = body.param
    return error


def read_results(response: httpx.Response) -> list[Result]:
    """The answer of POST /predict, a result for each text."""
    return [
        item if isinstance(item, Prediction) else ItemError(item.error.type, item.error.message)
        for item in read_answer(PredictResponse, response).predictions
    ]


def read_prediction(response: httpx.Response) -> Prediction:
    """The answer of POST /predict to one text, whose error is the request's."""
    (result,) = read_results(response)
    if not isinstance(result, Prediction):
        raise UnexpectedAnswer(response)
    return result


def is_about_texts(error: RequestError, texts: Sequence[str]) -> bool:
    """Whether a list was refused because none of its texts can be answered."""
    if len(texts) == 1 and isinstance(error, TooLarge):
        return True  # beyond the limit of a body, too
    return bool(ABOUT_A_TEXT.fullmatch(error.param or ""))


def as_item_error(error: RequestError) -> ItemError:
    return ItemError(error.type, error.message)


def read_ready(response: httpx.Response) -> bool:
    """The answer of GET /health/ready."""
    if response.status_code in (503, 504):
        return False
    if not response.is_success:
        raise read_error(response)
    return True


@contextmanager
def reported(path: str) -> Iterator[None]:
    """Turns what httpx raises into NoAnswer."""
    try:
        yield
    except httpx.RequestError as error:
        raise NoAnswer(f"{path}: {type(error).__name__}: {error}") from error
