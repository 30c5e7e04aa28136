from __future__ import annotations

import io

import numpy as np
from matplotlib.image import imread

from training.answer_plots import plot_answers
from training.metrics import reliability, score

LABELS = ("negative", "neutral", "positive")


def draw(predicted: list[int]) -> bytes:
    targets, answers = np.array([0, 1, 2, 2]), np.array(predicted)
    given = np.full((4, 3), 0.1) + 0.7 * np.eye(3)[answers]
    scores = score(targets, answers, LABELS, given)
    return plot_answers("reviews", scores, reliability(targets, answers, given))


def test_a_plot_is_an_image_that_shows_the_answers() -> None:
    right, wrong = draw([0, 1, 2, 2]), draw([2, 0, 1, 0])
    image = imread(io.BytesIO(right))
    assert image.shape[1] > image.shape[0] > 300
    assert image.std() > 0.05  # not blank
    assert right != wrong


def test_the_same_answers_give_the_same_bytes() -> None:
    assert draw([0, 1, 2, 0]) == draw([0, 1, 2, 0])
