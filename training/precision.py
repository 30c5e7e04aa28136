"""Which arithmetic the loop uses."""

from __future__ import annotations

import torch
from torch import nn

from training.config import Precision
from training.errors import TrainingError


def takes_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether the loop runs under bf16 autocast: for "auto", where the device can.

    Raises TrainingError when "bf16" is asked of a device that cannot.
    """
    if precision == "fp32":
        return False
    works = has_bf16_lstm(device)
    if precision == "bf16" and not works:
        raise TrainingError(
            "training.precision: this processor has no bf16 for recurrent layers; "
            'set it to "auto" or "fp32"'
        )
    return works


def has_bf16_lstm(device: torch.device) -> bool:
    """Whether a recurrent layer runs in bf16: found by running one, torch has no question for it.

    Processors before AVX-512 have no such kernel (oneDNN refuses to make its primitive).
    """
    lstm = nn.LSTM(8, 8).to(device)
    try:
        with torch.autocast(device.type, torch.bfloat16):
            lstm(torch.zeros(1, 1, 8, device=device))[0].sum().backward()
    except RuntimeError:
        return False
    return True
