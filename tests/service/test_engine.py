from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.bundle import OnnxSpec
from service.engine import CPU, CUDA, OnnxEngine, pad
from service.errors import BundleError, ProviderError
from service.model import Model
from tests.tiny import OPSET

SPEC = OnnxSpec(opset=OPSET)
texts_of_ids = st.lists(
    st.lists(st.integers(2, 300), min_size=1, max_size=24), min_size=1, max_size=12
)


def test_pad_fills_up_to_the_longest() -> None:
    ids, lengths = pad([[5, 6, 7], [8]], pad_id=0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert lengths.tolist() == [3, 1]
    assert ids.dtype == lengths.dtype == np.int32


@given(texts=texts_of_ids)
@settings(deadline=None)
def test_a_text_alone_equals_the_same_text_in_any_batch_bit_for_bit(
    model: Model, texts: list[list[int]]
) -> None:
    together = model.logits(texts)
    alone = np.concatenate([model.logits([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()


@given(texts=texts_of_ids, extra=st.integers(1, 20), filler=st.integers(0, 300))
@settings(deadline=None)
def test_padding_changes_nothing(
    model: Model, texts: list[list[int]], extra: int, filler: int
) -> None:
    ids, lengths = pad(texts, pad_id=0)
    wider = np.pad(ids, ((0, 0), (0, extra)), constant_values=filler)
    assert model.engine.run(wider, lengths).tobytes() == model.engine.run(ids, lengths).tobytes()


def test_engine_refuses_an_empty_batch(model: Model) -> None:
    with pytest.raises(ValueError, match="at least one text"):
        model.engine.run(np.zeros((0, 3), np.int32), np.zeros(0, np.int32))


def test_engine_refuses_a_text_without_tokens(model: Model) -> None:
    with pytest.raises(ValueError, match="one token"):
        model.engine.run(np.zeros((1, 3), np.int32), np.zeros(1, np.int32))


def test_engine_is_rebuilt_after_a_run_that_fails(model: Model) -> None:
    engine = OnnxEngine(model.bundle.model, SPEC)
    ids, lengths = pad([[5, 6, 7]], pad_id=0)
    before = engine.run(ids, lengths)
    session = engine._session
    with pytest.raises(Exception, match="out of data bounds"):
        engine.run(np.full_like(ids, 2**30), lengths)
    assert engine._session is not session
    assert engine.run(ids, lengths).tobytes() == before.tobytes()


def test_engine_refuses_bytes_that_are_no_model() -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: onnxruntime cannot load it"):
        OnnxEngine(b"not a model", SPEC)


def test_engine_refuses_a_graph_of_another_signature(model: Model) -> None:
    spec = OnnxSpec(opset=OPSET, ids="tokens")
    with pytest.raises(BundleError, match=r"model\.onnx: takes"):
        OnnxEngine(model.bundle.model, spec)


def test_engine_says_which_provider_it_got(model: Model) -> None:
    assert OnnxEngine(model.bundle.model, SPEC, "cpu").provider == CPU


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="onnxruntime is built for CUDA")
def test_cuda_without_cuda_refuses_and_auto_takes_the_cpu(model: Model) -> None:
    with pytest.raises(ProviderError, match="provider is cuda"):
        OnnxEngine(model.bundle.model, SPEC, "cuda")
    assert OnnxEngine(model.bundle.model, SPEC, "auto").provider == CPU


def test_onnxruntime_is_told_to_report_nothing() -> None:
    code = "import service.engine, os; print(len(os.listdir('/proc/self/task')))"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    threads = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    # Telemetry would run in a second thread, and an upload cannot be seen from here.
    assert threads.stdout.strip() == "1"
