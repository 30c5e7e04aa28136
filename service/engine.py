"""The engine: one onnxruntime session behind a small protocol."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

# Before the import, which would start a thread that reports to onnxruntime's maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

from service.bundle import MODEL_FILE, OnnxSpec
from service.errors import BundleError, ProviderError

Provider = Literal["auto", "cpu", "cuda"]
Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"


class Engine(Protocol):
    """What runs a batch. Safe to call from several threads at once."""

    @property
    def provider(self) -> str:
        """The execution provider that really runs the model."""

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        """Logits (B, C) of padded ids (B, T) with lengths (B,), each in 1..T, B >= 1."""


class OnnxEngine:
    """An onnxruntime session over the bytes of a model.

    `provider` "auto" takes CUDA where the session truly gets it, "cuda" insists on it.
    Raises ProviderError when it insists in vain, BundleError when the bytes are no
    model or one of another signature.
    """

    def __init__(
        self, model: bytes, spec: OnnxSpec, provider: Provider = "cpu", threads: int = 1
    ) -> None:
        self._spec = spec
        self._open = partial(_open_session, model, provider, threads)
        self._session = self._open()
        self._check_signature()

    @property
    def provider(self) -> str:
        """The first provider of the session: what it got, not what was available."""
        return str(self._session.get_providers()[0])

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        """Logits (B, C) of padded ids (B, T) with lengths (B,).

        An empty batch aborts onnxruntime's process, and a length of 0 has no defined
        answer: both raise ValueError here.
        """
        if len(ids) == 0 or lengths.min() < 1:
            raise ValueError("a batch needs at least one text, and each text one token")
        feed = {self._spec.ids: ids, self._spec.lengths: lengths}
        try:
            logits: Float32 = self._session.run([self._spec.logits], feed)[0]
        except Exception:
            self._session = self._open()  # one that failed is not trusted with the next batch
            raise
        return logits

    def _check_signature(self) -> None:
        spec = self._spec
        inputs = {node.name: node.type for node in self._session.get_inputs()}
        outputs = {node.name: node.type for node in self._session.get_outputs()}
        expected_inputs = {spec.ids: "tensor(int32)", spec.lengths: "tensor(int32)"}
        if inputs != expected_inputs or outputs.get(spec.logits) != "tensor(float)":
            raise BundleError(
                f"{MODEL_FILE}: takes {inputs} and gives {outputs}, the manifest says {spec}"
            )


def pad(texts: Sequence[Sequence[int]], pad_id: int) -> tuple[Int32, Int32]:
    """Ids of different lengths as one padded array (B, T), with their lengths (B,)."""
    lengths = np.fromiter(map(len, texts), dtype=np.int32, count=len(texts))
    ids = np.full((len(texts), int(lengths.max())), pad_id, dtype=np.int32)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text
    return ids, lengths


def _open_session(model: bytes, provider: Provider, threads: int) -> ort.InferenceSession:
    providers = _providers(provider)
    try:
        session = ort.InferenceSession(model, _session_options(threads), providers=providers)
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        raise BundleError(f"{MODEL_FILE}: onnxruntime cannot load it ({error})") from error
    if provider == "cuda" and session.get_providers()[0] != CUDA:
        raise ProviderError(
            "provider is cuda, but onnxruntime fell back to the CPU: no usable CUDA device, "
            "driver or library"
        )
    return session


def _providers(provider: Provider) -> list[str]:
    if provider == "cpu":
        return [CPU]
    if CUDA in ort.get_available_providers():
        ort.preload_dlls()  # finds the CUDA libraries that PyPI installed
        return [CUDA, CPU]
    if provider == "cuda":
        raise ProviderError(
            "provider is cuda, but the installed onnxruntime is built for "
            f"{ort.get_available_providers()}; install onnxruntime-gpu in its place"
        )
    return [CPU]


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # shapes vary from batch to batch
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only: a missing GPU is reported by us
    return options
