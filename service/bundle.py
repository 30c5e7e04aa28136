"""The bundle: the one contract between training and serving.

A bundle is a folder with `manifest.json` and the files that the manifest lists with
their SHA-256. `read_bundle` trusts nothing: it refuses, with the reason, what does
not match the schema or the hashes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import BundleError

SCHEMA_VERSION: Final = 1
MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.model"
METRICS_FILE = "metrics.json"
CARD_FILE = "MODEL_CARD.md"

Precision = Literal["float32", "int8"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OnnxSpec(_Frozen):
    """The signature of the graph: ids (B, T), lengths (B,) -> logits (B, C)."""

    opset: int = Field(ge=13, le=21)
    ids: str = "ids"
    ids_dtype: Literal["int32"] = "int32"
    lengths: str = "lengths"
    lengths_dtype: Literal["int32"] = "int32"
    logits: str = "logits"
    logits_dtype: Literal["float32"] = "float32"


class GoldenText(_Frozen):
    """A text and the probabilities that the bundle must give for it."""

    text: str
    scores: dict[str, float]


class Manifest(_Frozen):
    """What `manifest.json` holds."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    version: str
    labels: tuple[str, ...] = Field(min_length=2)
    languages: tuple[str, ...]
    max_tokens: int = Field(ge=1)
    pad_id: int = Field(ge=0)
    unk_id: int = Field(ge=0)
    onnx: OnnxSpec
    precision: Precision = Field(
        default="float32",
        description="of the recurrent layers; in int8 an answer depends a little on its batch",
    )
    calibration: dict[str, float] = Field(
        description="temperature per label set; the key is `label_set_key(labels)`"
    )
    files: dict[str, str] = Field(description="SHA-256 of each file of the bundle")
    run: dict[str, Any] = Field(description="the run configuration it was trained with")
    data: dict[str, str] = Field(description="SHA-256 of each file it was trained on")
    commit: str | None = Field(description="git commit of the code that trained it")
    golden: tuple[GoldenText, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels repeat: {list(self.labels)}")
        for required in (MODEL_FILE, TOKENIZER_FILE):
            if required not in self.files:
                raise ValueError(f"files lacks {required}")
        for name in self.files:
            if Path(name).name != name:
                raise ValueError(f"files names a path outside the bundle: {name!r}")
        for golden in self.golden:
            if set(golden.scores) != set(self.labels):
                raise ValueError("golden texts are scored for other labels than the bundle's")
        if any(not t > 0 for t in self.calibration.values()):
            raise ValueError("calibration holds a temperature that is not positive")
        return self

    @property
    def temperature(self) -> float:
        """Temperature of the whole label set; 1 where none was fitted."""
        return self.calibration.get(label_set_key(self.labels), 1.0)


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: its manifest and the bytes that the hashes were taken of."""

    path: Path
    manifest: Manifest
    model: bytes
    tokenizer: bytes


def label_set_key(labels: tuple[str, ...]) -> str:
    """The name of a label set in `Manifest.calibration`, for example `negative|positive`."""
    return "|".join(labels)


def sha256(content: bytes) -> str:
    """Hex SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and verify its schema and hashes.

    Raises BundleError, naming the file and the reason, when anything is missing,
    malformed or not what the manifest says.
    """
    manifest = _read_manifest(path)
    contents = {name: _read_file(path, name) for name in manifest.files}
    for name, expected in manifest.files.items():
        if sha256(contents[name]) != expected:
            raise BundleError(
                f"{path / name}: its SHA-256 is not the one in {MANIFEST_FILE}; "
                "the file was changed or only partly copied"
            )
    return Bundle(path, manifest, contents[MODEL_FILE], contents[TOKENIZER_FILE])


def _read_manifest(path: Path) -> Manifest:
    if not path.is_dir():
        raise BundleError(f"{path}: no such bundle folder")
    content = _read_file(path, MANIFEST_FILE)
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(
            f"{path / MANIFEST_FILE}: {where + ': ' if where else ''}{first['msg']}"
        ) from error


def _read_file(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{path / name}: cannot be read ({error.strerror})") from error
