"""The pipeline's reply, as the routes say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

from service.errors import RequestError
from service.postprocess import Scored
from service.replies import Outcome, Reply, Timing
from service.schemas import ErrorResponse, Prediction, PredictResponse, describe_error

T = TypeVar("T")
D = TypeVar("D")


def describe_reply(reply: Reply, *, alone: bool, top_k: int | None) -> PredictResponse:
    """One prediction or error per text; `alone` says that `inputs` was no list.

    Raises the first text's error, naming its field, when no text at all has an answer.
    """
    predictions = describe_items(reply.items, lambda item: describe_outcome(item, top_k), alone)
    return PredictResponse(model=reply.model, predictions=predictions)


def describe_items(
    items: Sequence[T | RequestError], describe: Callable[[T], D], alone: bool
) -> list[D | ErrorResponse]:
    """Each item or error in its place. Raises the first error when there is nothing else."""
    first = items[0]
    if isinstance(first, RequestError) and all(isinstance(item, RequestError) for item in items):
        first.param = first.param or name_input(0, alone=alone)
        raise first
    return [
        describe_error(item, name_input(index, alone=alone))
        if isinstance(item, RequestError)
        else describe(item)
        for index, item in enumerate(items)
    ]


def require_outcomes(reply: Reply, name: Callable[[int], str]) -> list[Outcome]:
    """The answer to every text, for a protocol that has no place for one text's error.

    Raises the first text's error, with the field that `name` gives for its index.
    """
    outcomes = []
    for index, item in enumerate(reply.items):
        if isinstance(item, RequestError):
            item.param = item.param or name(index)
            raise item
        outcomes.append(item)
    return outcomes


def name_input(index: int, *, alone: bool) -> str:
    """The path of a text in a body's `inputs`; `alone` says that it was no list."""
    return "inputs" if alone else f"inputs.{index}"


def describe_outcome(outcome: Outcome, top_k: int | None) -> Prediction:
    """A text's answer, its `top_k` labels in falling order; all of them for None."""
    scored, encoded = outcome.scored, outcome.encoded
    return Prediction(
        label=scored.label,
        score=scored.score,
        scores=rank_scores(scored, top_k),
        tokens=len(encoded.ids),
        truncated=encoded.truncated,
        original_tokens=encoded.original_tokens,
    )


def rank_scores(scored: Scored, top_k: int | None = None) -> dict[str, float]:
    """The `top_k` labels in falling order; all of them for None."""
    ranked = sorted(scored.scores.items(), key=lambda pair: -pair[1])
    return dict(islice(ranked, top_k))


def format_server_timing(timing: Timing) -> str:
    """The header of the W3C's Server Timing, durations in milliseconds."""
    return (
        f"tokenize;dur={1000 * timing.tokenize_s:.2f}, queue;dur={1000 * timing.queue_s:.2f}, "
        f"infer;dur={1000 * timing.infer_s:.2f}, total;dur={1000 * timing.total_s:.2f}"
    )
