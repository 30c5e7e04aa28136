"""What POST / takes and gives: Hugging Face Inference, the task text-classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from service.answers import rank_scores
from service.errors import InvalidInput
from service.replies import Outcome
from service.schemas import Given, Taken, Texts, TopK


def _refuse_sigmoid(value: object) -> object:
    """By hand, since the protocol knows it and the message should say why it is refused."""
    if value == "sigmoid":
        raise InvalidInput(
            "sigmoid is for labels that do not exclude each other, these do; use softmax or none",
            "parameters.function_to_apply",
        )
    return value


class ClassificationParameters(Taken):
    """How the labels are scored and which are given."""

    top_k: TopK = None
    function_to_apply: Annotated[
        Literal["softmax", "none"] | None, BeforeValidator(_refuse_sigmoid)
    ] = Field(
        default=None,
        description="`softmax`, also when left out: calibrated probabilities. `none`: logits. "
        "`sigmoid` is refused, since the labels exclude each other.",
    )
    truncation: bool | None = Field(
        default=None,
        description="Read the beginning of a text that is too long, rather than refuse it.",
    )


class ClassificationOptions(Taken):
    """Options of the hosted API. They change nothing here: no model loads late."""

    use_cache: bool | None = None
    wait_for_model: bool | None = None


class ClassificationRequest(Taken):
    """One text or many, in any mix of the default model's languages."""

    inputs: Texts = Field(description="One text, or a list of texts that are answered in order.")
    parameters: ClassificationParameters | None = None
    options: ClassificationOptions | None = None


class LabelScore(Given):
    """A label and how probable it is."""

    label: str
    score: float = Field(description="Calibrated probability, or the logit with `none`.")


def describe_labels(outcomes: Sequence[Outcome], top_k: int | None) -> list[list[LabelScore]]:
    """For each text the `top_k` labels, the most probable first; all of them for None."""
    return [
        [
            LabelScore(label=label, score=score)
            for label, score in rank_scores(outcome.scored, top_k).items()
        ]
        for outcome in outcomes
    ]
