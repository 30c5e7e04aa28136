from __future__ import annotations

import pytest
import torch

from training import precision
from training.errors import TrainingError
from training.precision import has_bf16_lstm, takes_bf16

CPU = torch.device("cpu")


def test_fp32_stays_fp32() -> None:
    assert not takes_bf16("fp32", CPU)


def test_auto_takes_bf16_just_where_it_runs() -> None:
    assert takes_bf16("auto", CPU) == has_bf16_lstm(CPU)


def test_bf16_is_refused_where_it_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16_lstm", lambda device: False)
    assert not takes_bf16("auto", CPU)
    with pytest.raises(TrainingError, match=r'training\.precision: .* "auto" or "fp32"'):
        takes_bf16("bf16", CPU)


def test_what_has_bf16_runs_it() -> None:
    lstm = torch.nn.LSTM(4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        if has_bf16_lstm(CPU):
            assert lstm(torch.zeros(2, 1, 4))[0].isfinite().all()
        else:
            with pytest.raises(RuntimeError):
                lstm(torch.zeros(2, 1, 4))
