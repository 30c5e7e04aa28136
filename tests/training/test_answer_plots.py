from __future__ import annotations

import io

import numpy as np
from matplotlib.image import imread

from training.answer_plots import PANELS_A_ROW, plot_answers, plot_peers
from training.evaluate import Answered, Answers
from training.metrics import reliability, score
from training.peers import SideBySide
from training.rows import Rows

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


def beside(name: str, **right: int) -> SideBySide:
    """A set of 40 rows, of which each peer has so many right in as many seconds."""
    polar = ("negative", "positive")
    rows = Rows(("a text",) * 40, ("positive",) * 40)

    def answered(count: int) -> Answered:
        return Answered(polar, rows, Answers(np.arange(40) < count), float(count))

    return SideBySide(name, polar, {peer: answered(count) for peer, count in right.items()})


def test_every_set_has_a_panel_and_every_peer_a_mark() -> None:
    two, one = beside("films", ours=38, theirs=20), beside("films", ours=38)
    few, many = (imread(io.BytesIO(plot_peers([two] * n))) for n in (1, PANELS_A_ROW + 1))
    assert many.shape[0] > few.shape[0]
    assert many.shape[1] > few.shape[1]
    assert plot_peers([two]) == plot_peers([two]) != plot_peers([one])
