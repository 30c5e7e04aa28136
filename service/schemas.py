"""What the routes take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from service.bundle import Precision
from service.characters import BLANK
from service.errors import InvalidInput, RequestError

Encoding = Literal["utf-8", "gb18030"]


class Taken(BaseModel):
    """What a client sends."""

    # Strict, so that "3" is no number and 1 no truth: a mistake is named, not guessed at.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Given(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(frozen=True)


def _check_texts(value: object) -> str | list[str]:
    """By hand, since pydantic's errors of a union name its branches and not the text."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise InvalidInput("must be a text or a list of texts", "inputs")
    for index, text in enumerate(value):
        if not isinstance(text, str):
            raise InvalidInput("must be a text", f"inputs.{index}")
    if not value:
        raise InvalidInput("the list is empty; send at least one text", "inputs")
    return value


def list_texts(inputs: str | list[str]) -> list[str]:
    """The texts of a body's `inputs`, which may be just one."""
    return [inputs] if isinstance(inputs, str) else inputs


# A character that the tokenizer's normalization does not drop, and no NUL.
READABLE = rf"^[^\u0000]*[^\u0000{BLANK}][^\u0000]*$"
TEXT_SCHEMA: dict[str, Any] = {"type": "string", "minLength": 1, "pattern": READABLE}

Texts = Annotated[
    str | list[str],
    PlainValidator(_check_texts),
    WithJsonSchema(
        {"anyOf": [TEXT_SCHEMA, {"type": "array", "items": TEXT_SCHEMA, "minItems": 1}]}
    ),
]
SomeTexts = Annotated[  # one readable text is enough: the others have their error in their place
    str | list[str],
    PlainValidator(_check_texts),
    WithJsonSchema(
        {
            "anyOf": [
                TEXT_SCHEMA,
                {"type": "array", "items": {"type": "string"}, "contains": TEXT_SCHEMA},
            ]
        }
    ),
]


def _as_integer(value: object) -> object:
    """In JSON, 3.0 is an integer too (JSON Schema, 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


AS_INTEGER = BeforeValidator(_as_integer)  # last, else pydantic's schema loses the limits
TopK = Annotated[
    Annotated[int, Field(ge=1, le=1_000_000), AS_INTEGER] | None,
    Field(description="Give only the k most probable labels; all when left out."),
]


class PredictRequest(Taken):
    """One text or many, in any mix of the model's languages."""

    inputs: SomeTexts = Field(
        description="One text, or a list of texts that are answered in order."
    )
    model: str | None = Field(
        default=None, description="Which of `GET /models` answers; the default one when left out."
    )
    top_k: TopK = None
    raw_scores: bool = Field(
        default=False,
        description="Give the model's logits in `score` and `scores` in place of probabilities.",
    )
    truncate: bool = Field(
        default=False,
        description="Read the beginning of a text that is too long, rather than refuse it.",
    )


class RowOptions(BaseModel):
    """How each of many rows is answered; the same as in `PredictRequest`."""

    model_config = ConfigDict(extra="forbid", frozen=True)  # not strict: a query is all text

    model: str | None = Field(
        default=None, description="Which of `GET /models` answers; the default one when left out."
    )
    raw_scores: bool = Field(
        default=False, description="Give the model's logits in place of probabilities."
    )
    truncate: bool = Field(
        default=False,
        description="Read the beginning of a text that is too long, rather than refuse it.",
    )


class StreamOptions(RowOptions):
    """The query of a stream of lines."""

    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Give only the k most probable labels; all when left out."
    )


class FileOptions(RowOptions):
    """The query of a file."""

    column: str = Field(default="text", description="The column of texts.")
    encoding: Encoding = Field(
        default="utf-8",
        description="Of CSV and TSV: `utf-8`, or `gb18030`, which reads GBK and GB2312 too. "
        "A byte order mark, UTF-16's as well, has precedence.",
    )


class ErrorBody(Given):
    """What went wrong, for a program (`type`, `param`) and for a person (`message`)."""

    type: str = Field(description="Stable name of the error.", examples=["invalid_input"])
    message: str = Field(
        description="What is wrong and which limit holds.", examples=["the text is empty"]
    )
    param: str | None = Field(
        default=None,
        description="Path of the offending field, where there is one.",
        examples=["inputs.1"],
    )


class ErrorResponse(Given):
    """The one shape of every error."""

    error: ErrorBody


def describe_error(error: RequestError, param: str | None = None) -> ErrorResponse:
    """An error in the one schema; `param` where it does not know its field itself."""
    body = ErrorBody(type=error.type, message=error.message, param=error.param or param)
    return ErrorResponse(error=body)


class Prediction(Given):
    """The sentiment of one text."""

    label: str = Field(description="The most probable label.")
    score: float = Field(description="Its calibrated probability, or its logit with `raw_scores`.")
    scores: dict[str, float] = Field(
        description="Each label's probability (or logit), the most probable first."
    )
    tokens: int = Field(description="Tokens that the model read.")
    truncated: bool = Field(description="Whether the text was cut to its beginning.")
    original_tokens: int | None = Field(
        default=None,
        description="Tokens of the whole text; only when it was cut, "
        "and left out when it passed the limit of characters.",
    )


Answered = Prediction | ErrorResponse
"""What one of several texts gets."""


class PredictResponse(Given):
    """One prediction per input, in order; an input that cannot be answered has an error."""

    model: str = Field(description="The model that answered.")
    predictions: list[Answered]


class ModelInfo(Given):
    """A model that is served."""

    name: str = Field(description="The name to send as `model`.", examples=["default"])
    default: bool = Field(description="Whether it answers requests that name no model.")
    bundle: str = Field(description="Name in the bundle's manifest.", examples=["bilingual"])
    version: str = Field(examples=["1"])
    labels: list[str] = Field(examples=[["negative", "neutral", "positive"]])
    languages: list[str] = Field(examples=[["en", "zh"]])
    max_tokens: int = Field(description="Longest text it reads here, in tokens.", examples=[8192])
    provider: str = Field(
        description="The execution provider that really runs it.",
        examples=["CPUExecutionProvider"],
    )
    precision: Precision = Field(
        description="With `float32` the same text gets the same answer to the last bit, alone and "
        "among any others; with `int8` it varies a little with them.",
        examples=["float32"],
    )


class ModelsResponse(Given):
    """The models that are served, the default one first."""

    models: list[ModelInfo]


class LimitsInfo(Given):
    """What one request may hold, and how long it may take."""

    max_inputs: int
    max_text_chars: int
    max_tokens: int
    max_body_bytes: int
    max_file_bytes: int
    max_queue_tokens: int
    explain_max_words: int
    timeout_ms: int
    stream_idle_ms: int


class InfoResponse(Given):
    """The service, its default model and its limits."""

    service: str = Field(examples=["sentiment"])
    version: str = Field(examples=["0.1.0"])
    model: ModelInfo
    limits: LimitsInfo


class HealthResponse(Given):
    """A sign of life."""

    status: str = Field(examples=["ok"])
