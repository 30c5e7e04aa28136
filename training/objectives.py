"""What is minimised."""

from __future__ import annotations

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
