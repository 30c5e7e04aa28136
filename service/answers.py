"""The pipeline's reply, as the schema of POST /predict says it."""

from __future__ import annotations

from itertools import islice

from service.errors import RequestError
from service.pipeline import Outcome, Reply, Timing
from service.schemas import Prediction, PredictResponse, describe_error


def describe_reply(reply: Reply, *, alone: bool, top_k: int | None) -> PredictResponse:
    """One prediction or error per text; `alone` says that `inputs` was no list.

    Raises the first text's error, naming its field, when no text at all has an answer.
    """
    if all(isinstance(item, RequestError) for item in reply.items):
        raise _name_first(reply, alone)
    predictions = [
        describe_error(item, _param(index, alone))
        if isinstance(item, RequestError)
        else describe_outcome(item, top_k)
        for index, item in enumerate(reply.items)
    ]
    return PredictResponse(model=reply.model, predictions=predictions)


def describe_outcome(outcome: Outcome, top_k: int | None) -> Prediction:
    """A text's answer, its `top_k` labels in falling order; all of them for None."""
    scored, encoded = outcome.scored, outcome.encoded
    ranked = sorted(scored.scores.items(), key=lambda pair: -pair[1])
    return Prediction(
        label=scored.label,
        score=scored.score,
        scores=dict(islice(ranked, top_k)),
        tokens=len(encoded.ids),
        truncated=encoded.truncated,
        original_tokens=encoded.original_tokens,
    )


def format_server_timing(timing: Timing) -> str:
    """The header of the W3C's Server Timing, durations in milliseconds."""
    seconds = {
        "tokenize": timing.tokenize_s,
        "queue": timing.queue_s,
        "infer": timing.infer_s,
        "total": timing.total_s,
    }
    return ", ".join(f"{name};dur={1000 * value:.2f}" for name, value in seconds.items())


def _name_first(reply: Reply, alone: bool) -> RequestError:
    first = reply.items[0]
    assert isinstance(first, RequestError)
    first.param = first.param or _param(0, alone)
    return first


def _param(index: int, alone: bool) -> str:
    return "inputs" if alone else f"inputs.{index}"
