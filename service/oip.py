"""What the routes under /v2 take and give: the Open Inference Protocol, version 2."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from service.errors import InvalidInput
from service.schemas import AS_INTEGER, TEXT_SCHEMA, Given, Taken

DATA = "inputs.0.data"
INT64_MAX = 2**63 - 1

OutputName = Literal["label", "score", "scores"]


def _flatten(value: object) -> list[str] | None:
    """The texts of [N] or [N, 1], by hand: pydantic's errors of a union name its branches."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidInput("must be a list of texts", DATA)
    return [_check_text(row, f"{DATA}.{index}") for index, row in enumerate(value)]


def _check_text(row: object, path: str) -> str:
    if isinstance(row, list) and len(row) == 1:
        row, path = row[0], f"{path}.0"
    if not isinstance(row, str):
        raise InvalidInput("must be a text", path)
    return row


_COLUMN = {"type": "array", "items": TEXT_SCHEMA, "minItems": 1, "maxItems": 1}

TextData = Annotated[
    list[str] | None,
    PlainValidator(_flatten),
    WithJsonSchema(
        {"type": ["array", "null"], "items": {"anyOf": [TEXT_SCHEMA, _COLUMN]}, "minItems": 1}
    ),
]


class InputParameters(Taken):
    """Of an input tensor."""

    binary_data_size: Annotated[int, Field(ge=0, le=INT64_MAX), AS_INTEGER] | None = Field(
        default=None,
        description="Bytes of the tensor, which then follows the JSON object in place of `data`.",
    )


class InputTensor(Taken):
    """The texts."""

    name: Literal["text"]
    datatype: Literal["BYTES"]
    shape: list[Annotated[int, Field(ge=1, le=INT64_MAX), AS_INTEGER]] = Field(
        min_length=1, max_length=2, description="[N] or [N, 1].", examples=[[2]]
    )
    parameters: InputParameters | None = None
    data: TextData = Field(
        default=None, description="N texts; left out when they follow as binary data."
    )

    @property
    def binary_bytes(self) -> int | None:
        """Bytes of the tensor after the JSON object; None when it is not there."""
        return self.parameters.binary_data_size if self.parameters else None


class OutputParameters(Taken):
    """Of an output tensor."""

    binary_data: bool | None = Field(
        default=None,
        description="Give it as binary data; when left out, `binary_data_output` says.",
    )


class RequestedOutput(Taken):
    """An output tensor that is wanted."""

    name: OutputName
    parameters: OutputParameters | None = None

    @property
    def binary(self) -> bool | None:
        """Whether it is wanted as binary data; None when it does not say."""
        return self.parameters.binary_data if self.parameters else None


class InferParameters(Taken):
    """Of the request as a whole."""

    binary_data_output: bool = Field(
        default=False,
        description="Give every output as binary data that does not say otherwise itself.",
    )
    truncate: bool = Field(
        default=False,
        description="Read the beginning of a text that is too long, rather than refuse it.",
    )
    raw_scores: bool = Field(
        default=False, description="Give the model's logits in place of probabilities."
    )


class InferRequest(Taken):
    """One tensor of texts."""

    id: str | None = Field(default=None, description="Given back in the answer.")
    model_name: str | None = Field(default=None, description="If given, the one in the path.")
    parameters: InferParameters | None = None
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[RequestedOutput] | None = Field(
        default=None, max_length=3, description="What is wanted; all outputs when left out."
    )

    @property
    def options(self) -> InferParameters:
        """The parameters, their defaults when there are none."""
        return self.parameters or InferParameters()

    def wanted(self) -> list[tuple[OutputName, bool]]:
        """The outputs in order, each with whether it is wanted as binary data."""
        by_default = self.options.binary_data_output
        if not self.outputs:
            return [(name, by_default) for name in ("label", "score", "scores")]
        return [
            (output.name, by_default if output.binary is None else output.binary)
            for output in self.outputs
        ]


class BinarySize(Given):
    """Of a tensor that follows the JSON object."""

    binary_data_size: int


class OutputTensor(Given):
    """Values in `data`, or after the JSON object when `parameters` gives their size."""

    name: OutputName
    datatype: Literal["BYTES", "FP64"]
    shape: list[int] = Field(examples=[[2]])
    parameters: BinarySize | None = None
    data: list[str] | list[float] | None = None


class InferResponse(Given):
    """The tensors that were wanted, in that order."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class ServerMetadata(Given):
    """What runs here."""

    name: str = Field(examples=["sentiment"])
    version: str = Field(examples=["0.1.0"])
    extensions: list[str] = Field(examples=[["binary_tensor_data"]])


class TensorLabels(Given):
    """What the columns of a tensor are."""

    labels: list[str] = Field(examples=[["negative", "neutral", "positive"]])


class TensorMetadata(Given):
    """A tensor that a model takes or gives; -1 in its shape is any size."""

    name: str = Field(examples=["text"])
    datatype: str = Field(examples=["BYTES"])
    shape: list[int] = Field(examples=[[-1]])
    parameters: TensorLabels | None = None


class ModelMetadata(Given):
    """A model, its inputs and its outputs."""

    name: str = Field(examples=["default"])
    versions: list[str] = Field(examples=[["1"]])
    platform: str = Field(examples=["onnxruntime_onnx"])
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerLive(Given):
    """A sign of life."""

    live: bool


class ServerReady(Given):
    """Whether the models answer."""

    ready: bool


class ModelReady(Given):
    """Whether a model answers."""

    name: str
    ready: bool


class IndexedModel(Given):
    """A model of the repository index."""

    name: str = Field(examples=["default"])
    version: str = Field(examples=["1"])
    state: str = Field(examples=["READY"])
    reason: str = ""


class OipError(Given):
    """An error as the protocol has it: one line for people."""

    error: str = Field(examples=["text.1: the text is empty"])
