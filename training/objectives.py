"""What is minimised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.distillation_config import DistillationConfig
from training.pooling import NEVER

Read = Callable[[Tensor], Tensor]
"""Logits (B, C) of a batch that is read with noise (B, T, E) on its embedding."""

UNLABELLED = -100
"""Stands for the label of a text that has none."""


@dataclass(frozen=True)
class Lesson:
    """What a network is to say of B texts."""

    targets: Tensor
    """(B,), UNLABELLED where nobody gave a label."""
    sayable: Tensor
    """(B, C), True for the labels of the text's set."""
    taught: Tensor | None = None
    """(B, C), the teacher's log-probabilities, -inf for labels that it does not say."""


def lesson_loss(
    logits: Tensor,
    lesson: Lesson,
    label_smoothing: float = 0.0,
    distillation: DistillationConfig | None = None,
) -> Tensor:
    """Mean over the texts of what label and teacher ask for.

    Label and teacher share a text by `hard_weight`; a text that has one of them alone learns
    from that with weight 1.
    """
    targets, sayable = lesson.targets, lesson.sayable
    hard = partial_label_losses(logits, targets, sayable, label_smoothing)
    if distillation is None or lesson.taught is None:
        return hard.mean()
    said = sayable & lesson.taught.isfinite()
    soft = teacher_losses(logits, lesson.taught, said, distillation.temperature)
    weight = torch.where(said.sum(dim=-1) > 1, distillation.hard_weight, 1.0)
    weight = weight.masked_fill(targets == UNLABELLED, 0.0)
    return (weight * hard + (1 - weight) * soft).mean()


def partial_label_losses(
    logits: Tensor, targets: Tensor, sayable: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy (B,) of the label given that it is one its data set can say.

    logits (B, C), targets (B,), sayable (B, C) True for the labels of the text's set. A
    two-way set says nothing about neutral: its texts teach p(label | not neutral) and
    leave the neutral logit alone. 0 for a text without label.
    """
    allowed = logits.masked_fill(~sayable, NEVER)
    loss = functional.cross_entropy(allowed, targets, ignore_index=UNLABELLED, reduction="none")
    if not label_smoothing:
        return loss
    log_p = allowed.log_softmax(dim=-1).masked_fill(~sayable, 0.0)
    uniform = -(log_p.sum(dim=-1) / sayable.sum(dim=-1))
    uniform = uniform.masked_fill(targets == UNLABELLED, 0.0)
    return (1 - label_smoothing) * loss + label_smoothing * uniform


def teacher_losses(logits: Tensor, taught: Tensor, said: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) (B,), both at temperature T (Hinton et al. 2015, section 2).

    logits and taught (B, C); both speak given that the label is one of those `said` (B, C), so
    the other logits are left alone. 0 where fewer than two are said.
    """
    student = (logits / temperature).masked_fill(~said, NEVER).log_softmax(dim=-1)
    teacher = (taught / temperature).masked_fill(~said, NEVER).log_softmax(dim=-1)
    divergence = (teacher.exp() * (teacher - student)).masked_fill(~said, 0.0).sum(dim=-1)
    return temperature**2 * divergence


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


def virtual_adversarial_loss(look: Read, learn: Read, silence: Tensor, norm: float) -> Tensor:
    """KL(answer || answer with the noise that changes it most), the mean over a batch.

    No label is asked for (Miyato, Dai & Goodfellow 2017, eq. 6 to 8, with one power iteration).
    `look` and `learn` must drop out the same; gradients reach the weights through `learn` alone.
    `silence` (B, T, E) is a noise of 0, `norm` the size as in `adversarial_noise`.
    """
    with torch.no_grad():
        answer = look(silence).log_softmax(dim=-1)
    # As large as the noise that it leads to: under bf16 a small one would drown in rounding.
    probe = adversarial_noise(torch.randn_like(silence), norm).requires_grad_()
    (gradient,) = torch.autograd.grad(_divergence(answer, look(probe)), probe)
    return _divergence(answer, learn(adversarial_noise(gradient, norm)))


def _divergence(answer: Tensor, logits: Tensor) -> Tensor:
    return functional.kl_div(
        logits.log_softmax(dim=-1), answer, reduction="batchmean", log_target=True
    )
