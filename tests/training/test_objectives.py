from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from training.distillation_config import DistillationConfig
from training.objectives import (
    UNLABELLED,
    Lesson,
    adversarial_noise,
    lesson_loss,
    partial_label_losses,
    teacher_losses,
    virtual_adversarial_loss,
)

NEGATIVE, NEUTRAL, POSITIVE = range(3)
LOGITS = torch.tensor([[1.0, 5.0, -0.5], [0.2, -3.0, 0.7], [0.0, 1.0, 2.0]])
TWO_WAY = torch.tensor([True, False, True])
THREE_WAY = torch.tensor([True, True, True])


def test_two_way_rows_leave_the_neutral_logit_alone() -> None:
    logits = LOGITS.clone().requires_grad_()
    sayable = torch.stack([TWO_WAY, TWO_WAY, THREE_WAY])
    partial_label_losses(logits, torch.tensor([0, 2, 1]), sayable, 0.1).sum().backward()
    assert logits.grad is not None
    assert logits.grad[:2, NEUTRAL].tolist() == [0.0, 0.0]
    assert logits.grad[2, NEUTRAL] != 0
    assert (logits.grad[:, [NEGATIVE, POSITIVE]] != 0).all()


def test_two_way_rows_teach_the_label_given_that_it_is_not_neutral() -> None:
    targets = torch.tensor([NEGATIVE, POSITIVE, POSITIVE])
    loss = partial_label_losses(LOGITS, targets, TWO_WAY.expand(3, 3)).mean()
    expected = 0.0
    for row, target in zip(LOGITS.tolist(), targets.tolist(), strict=True):
        polar = math.exp(row[NEGATIVE]) + math.exp(row[POSITIVE])
        expected -= math.log(math.exp(row[target]) / polar) / 3
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_three_way_rows_teach_by_plain_cross_entropy(smoothing: float) -> None:
    targets = torch.tensor([0, 1, 2])
    loss = partial_label_losses(LOGITS, targets, THREE_WAY.expand(3, 3), smoothing).mean()
    expected = functional.cross_entropy(LOGITS, targets, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)


def test_smoothing_spreads_over_the_labels_that_the_set_can_say() -> None:
    targets = torch.tensor([0, 2, 2])
    loss = partial_label_losses(LOGITS, targets, TWO_WAY.expand(3, 3), 0.2).mean()
    polar = LOGITS[:, [NEGATIVE, POSITIVE]]
    expected = functional.cross_entropy(polar, targets // 2, label_smoothing=0.2)
    torch.testing.assert_close(loss, expected)


def test_mixed_rows_average_over_the_batch() -> None:
    targets, sayable = torch.tensor([0, 2, 1]), torch.stack([TWO_WAY, TWO_WAY, THREE_WAY])
    alone = [
        partial_label_losses(LOGITS[i : i + 1], targets[i : i + 1], sayable[i : i + 1])
        for i in range(3)
    ]
    torch.testing.assert_close(
        lesson_loss(LOGITS, Lesson(targets, sayable)), torch.cat(alone).mean()
    )


def test_adversarial_noise_has_its_size_and_raises_the_loss_most() -> None:
    torch.manual_seed(0)
    weights = torch.randn(4, 5, 8)

    def loss_of(embedded: torch.Tensor) -> torch.Tensor:
        return (embedded * weights).sum(dim=(1, 2))

    gradient = weights * 1e-6  # however small the loss
    noise = adversarial_noise(gradient, norm=0.3)
    assert noise.square().sum(dim=-1).mean(dim=-1).sqrt() == pytest.approx([0.3] * 4, rel=1e-5)
    for _ in range(20):
        other = adversarial_noise(torch.randn(4, 5, 8), norm=0.3)
        assert (loss_of(noise) > loss_of(other)).all()


def test_no_gradient_gives_no_noise() -> None:
    assert (adversarial_noise(torch.zeros(1, 2, 3), norm=1.0) == 0).all()


TAUGHT = torch.tensor([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]]).log()
DISTILLATION = DistillationConfig(folds=2, temperature=3.0, hard_weight=0.25)


def test_a_teacher_never_says_neutral_of_a_two_way_row() -> None:
    logits = LOGITS.clone().requires_grad_()
    lesson = Lesson(torch.tensor([0, 2, 1]), torch.stack([TWO_WAY, TWO_WAY, THREE_WAY]), TAUGHT)
    lesson_loss(logits, lesson, distillation=DISTILLATION).backward()
    assert logits.grad is not None
    assert logits.grad[:2, NEUTRAL].tolist() == [0.0, 0.0]
    assert (logits.grad[2] != 0).all()
    louder = TAUGHT + torch.tensor([0.0, 5.0, 0.0])  # surer of neutral, the rest as before
    found = teacher_losses(LOGITS, louder, TWO_WAY.expand(3, 3), 2.0)
    torch.testing.assert_close(found, teacher_losses(LOGITS, TAUGHT, TWO_WAY.expand(3, 3), 2.0))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_teacher_teaches_its_softened_distribution(temperature: float) -> None:
    found = teacher_losses(LOGITS, TAUGHT, THREE_WAY.expand(3, 3), temperature)
    student, teacher = (logits / temperature for logits in (LOGITS, TAUGHT))
    expected = functional.kl_div(
        student.log_softmax(-1), teacher.log_softmax(-1), reduction="none", log_target=True
    ).sum(-1)
    torch.testing.assert_close(found, temperature**2 * expected)
    assert teacher_losses(TAUGHT + 7.0, TAUGHT, THREE_WAY.expand(3, 3), temperature) == (
        pytest.approx([0.0] * 3, abs=1e-5)
    )


def test_label_and_teacher_share_a_text_by_their_weights() -> None:
    targets, sayable = torch.tensor([0, 2, 1]), THREE_WAY.expand(3, 3)
    lesson = Lesson(targets, sayable, TAUGHT)
    hard = partial_label_losses(LOGITS, targets, sayable, 0.1)
    soft = teacher_losses(LOGITS, TAUGHT, sayable, 3.0)
    torch.testing.assert_close(
        lesson_loss(LOGITS, lesson, 0.1, DISTILLATION), (0.25 * hard + 0.75 * soft).mean()
    )


def test_a_text_with_a_label_or_a_teacher_alone_learns_from_that() -> None:
    nobody = torch.full((3,), -math.inf)
    one_label = torch.tensor([-0.1, -math.inf, -math.inf])
    taught = torch.stack([TAUGHT[0], nobody, one_label])
    lesson = Lesson(torch.tensor([UNLABELLED, 2, 1]), THREE_WAY.expand(3, 3), taught)
    logits = LOGITS.clone().requires_grad_()
    loss = lesson_loss(logits, lesson, 0.1, DISTILLATION)
    soft = teacher_losses(LOGITS[:1], TAUGHT[:1], THREE_WAY[None], 3.0)
    hard = partial_label_losses(LOGITS[1:], lesson.targets[1:], lesson.sayable[1:], 0.1)
    torch.testing.assert_close(loss, torch.cat([soft, hard]).mean())
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_text_with_neither_label_nor_teacher_teaches_nothing() -> None:
    lesson = Lesson(torch.tensor([UNLABELLED] * 3), THREE_WAY.expand(3, 3))
    assert lesson_loss(LOGITS, lesson, 0.1) == 0


def test_virtual_adversarial_noise_changes_the_answer_more_than_any_other() -> None:
    torch.manual_seed(0)
    weights = torch.randn(5 * 8, 3)
    silence = torch.zeros(4, 5, 8)

    def read(noise: torch.Tensor) -> torch.Tensor:
        return noise.flatten(1) @ weights + LOGITS[0]

    answer = read(silence).softmax(dim=-1)
    worst = virtual_adversarial_loss(read, read, silence, norm=0.05)
    for _ in range(20):
        other = read(adversarial_noise(torch.randn(4, 5, 8), norm=0.05)).log_softmax(dim=-1)
        change = (answer * (answer.log() - other)).sum(dim=-1).mean()
        assert 0 < change < worst
