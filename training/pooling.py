"""From states (B, T, H) to one vector a text (B, H'), reading only within its length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from training.config import DirectionName

NEVER = -1e30
"""Stands for minus infinity where padding must lose: finite, so that 0 * NEVER is not NaN."""


def mask_of(lengths: Tensor, max_len: int) -> Tensor:
    """True within each text: (B, T) from lengths (B,)."""
    return torch.arange(max_len, device=lengths.device) < lengths[:, None]


class Pool(nn.Module):
    """Several poolings of the same states, side by side: (B, T, D * H) -> (B, P * D * H)."""

    def __init__(
        self, kinds: Sequence[str], size: int, directions: Sequence[DirectionName]
    ) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        self.directions = tuple(directions)
        self.output_size = size * len(self.kinds)
        self.attention = nn.Linear(size, 1) if "attention" in self.kinds else None
        self._pools: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
            "last": self._last,
            "mean": _mean,
            "max": _max,
            "attention": self._attention,
        }

    def forward(self, states: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Without `lengths` (B,) every text is T long."""
        return torch.cat([self._pools[kind](states, lengths) for kind in self.kinds], dim=-1)

    def _last(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        """The state that has read the whole text: forward the last one, backward the first."""
        if lengths is None:
            last = states[:, -1]
        else:
            last = states[torch.arange(len(states), device=states.device), lengths.long() - 1]
        ends = {"forward": last, "backward": states[:, 0]}
        size = states.shape[-1] // len(self.directions)
        parts = [
            ends[direction][:, at * size : (at + 1) * size]
            for at, direction in enumerate(self.directions)
        ]
        return torch.cat(parts, dim=-1)

    def _attention(self, states: Tensor, lengths: Tensor | None) -> Tensor:
        """Weighted mean, weights a softmax over time of a learnt score (Yang et al. 2016)."""
        assert self.attention is not None
        scores = self.attention(states).float()  # (B, T, 1)
        if lengths is not None:
            scores = scores.masked_fill(~mask_of(lengths, states.shape[1])[..., None], NEVER)
        pooled: Tensor = (scores.softmax(dim=1) * states).sum(dim=1)
        return pooled


def _mean(states: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return states.mean(dim=1)
    # States past the length are zero, so the sum needs no mask.
    return states.sum(dim=1) / lengths[:, None]


def _max(states: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is not None:
        states = states.masked_fill(~mask_of(lengths, states.shape[1])[..., None], NEVER)
    return states.amax(dim=1)
