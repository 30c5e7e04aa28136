"""What is minimised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.pooling import NEVER


def partial_label_loss(
    logits: Tensor, targets: Tensor, sayable: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy of the label given that it is one its data set can say.

    logits (B, C), targets (B,), sayable (B, C) True for the labels of the text's set. A
    two-way set says nothing about neutral: its texts teach p(label | not neutral) and
    leave the neutral logit alone.
    """
    allowed = logits.masked_fill(~sayable, NEVER)
    loss = functional.cross_entropy(allowed, targets)
    if not label_smoothing:
        return loss
    log_p = allowed.log_softmax(dim=-1).masked_fill(~sayable, 0.0)
    uniform = -(log_p.sum(dim=-1) / sayable.sum(dim=-1)).mean()
    return (1 - label_smoothing) * loss + label_smoothing * uniform


@torch.no_grad()
def adversarial_noise(gradient: Tensor, norm: float) -> Tensor:
    """The noise of a given size that raises each text's loss most, to first order.

    `gradient` (B, T, E) is that of the loss by the embedded tokens. The noise (B, T, E) has
    the root mean square `norm` over a text's tokens, in the units of the embedding (Miyato,
    Dai & Goodfellow 2017, eq. 5, where it is the norm over the whole text).
    """
    size = gradient.norm(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    noise: Tensor = gradient * (norm * gradient.shape[1] ** 0.5 / size)
    return noise
