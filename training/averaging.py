"""The average of the weights that is judged and exported."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Weights = tuple[Tensor, ...] | list[Tensor]


def moving_average(decay: float) -> Callable[[Weights, Weights, Tensor | int], None]:
    """Exponential moving average that follows faster at first, so that short runs profit too.

    After n updates its decay is min(decay, (1 + n) / (10 + n)). For AveragedModel.
    """

    @torch.no_grad()
    def update(averages: Weights, weights: Weights, updates: Tensor | int) -> None:
        count = int(updates)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + count) / (10 + count)))

    return update
