"""Open Inference Protocol: from a request to texts, and from answers to tensors."""

from __future__ import annotations

from collections.abc import Sequence

from service.bundle import Manifest
from service.errors import InvalidInput, MalformedBody, RequestError
from service.oip import (
    DATA,
    BinarySize,
    InferRequest,
    InferResponse,
    InputTensor,
    ModelMetadata,
    OipError,
    OutputName,
    OutputTensor,
    TensorLabels,
    TensorMetadata,
)
from service.replies import Outcome
from service.tensors import Tensor, pack_tensor, unpack_texts

PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ["binary_tensor_data"]
SHAPE = "inputs.0.shape"


def read_texts(request: InferRequest, binary: bytes) -> list[str]:
    """The texts of a request; `binary` is what follows its JSON object.

    Raises MalformedBody when sizes do not add up, InvalidInput when shape and data disagree.
    """
    (tensor,) = request.inputs
    texts = _read_data(tensor, binary)
    if tensor.shape[1:] not in ([], [1]):
        raise InvalidInput("the shape must be [N] or [N, 1]", SHAPE)
    if tensor.shape[0] != len(texts):
        raise InvalidInput(
            f"the shape is of {tensor.shape[0]} texts, the data holds {len(texts)}", SHAPE
        )
    return texts


def describe_outputs(
    outcomes: Sequence[Outcome], labels: Sequence[str]
) -> dict[OutputName, Tensor]:
    """Every output by its name: label (N,), score (N,) and scores (N, C), C as in `labels`."""
    scored = [outcome.scored for outcome in outcomes]
    count = len(scored)
    rows = [item.scores[label] for item in scored for label in labels]
    return {
        "label": Tensor("BYTES", [count], [item.label for item in scored]),
        "score": Tensor("FP64", [count], [item.score for item in scored]),
        "scores": Tensor("FP64", [count, len(labels)], rows),
    }


def write_response(
    model: ModelMetadata, request: InferRequest, outputs: dict[OutputName, Tensor]
) -> tuple[bytes, int | None]:
    """The body of an answer, and how much of it is JSON when binary data follows."""
    described, binary = [], []
    for name, as_binary in request.wanted():
        packed = pack_tensor(outputs[name]) if as_binary else None
        described.append(_describe_output(name, outputs[name], packed))
        if packed is not None:
            binary.append(packed)
    response = InferResponse(
        model_name=model.name, model_version=model.versions[0], id=request.id, outputs=described
    )
    json = response.model_dump_json(exclude_none=True).encode()
    return b"".join([json, *binary]), len(json) if binary else None


def describe_model(name: str, manifest: Manifest) -> ModelMetadata:
    """A served model's metadata."""
    labels = list(manifest.labels)
    return ModelMetadata(
        name=name,
        versions=[manifest.version],
        platform=PLATFORM,
        inputs=[TensorMetadata(name="text", datatype="BYTES", shape=[-1])],
        outputs=[
            TensorMetadata(name="label", datatype="BYTES", shape=[-1]),
            TensorMetadata(name="score", datatype="FP64", shape=[-1]),
            TensorMetadata(
                name="scores",
                datatype="FP64",
                shape=[-1, len(labels)],
                parameters=TensorLabels(labels=labels),
            ),
        ],
    )


def describe_oip_error(error: RequestError) -> OipError:
    """An error in the protocol's schema, its field in front."""
    return OipError(error=f"{error.param}: {error.message}" if error.param else error.message)


def _read_data(tensor: InputTensor, binary: bytes) -> list[str]:
    size = tensor.binary_bytes
    if (size is None) == (tensor.data is None):
        raise InvalidInput("the input must have either data or binary_data_size", DATA)
    if (size or 0) != len(binary):
        raise MalformedBody(
            f"binary_data_size is {size or 0}, {len(binary)} bytes follow the JSON object, whose "
            "length goes in the header Inference-Header-Content-Length"
        )
    return tensor.data if tensor.data is not None else unpack_texts(binary)


def _describe_output(name: OutputName, tensor: Tensor, packed: bytes | None) -> OutputTensor:
    return OutputTensor(
        name=name,
        datatype=tensor.datatype,
        shape=tensor.shape,
        parameters=None if packed is None else BinarySize(binary_data_size=len(packed)),
        data=tensor.values if packed is None else None,
    )
