from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread

from service.model import Model, open_model
from tests.training.test_gates import NETWORKS, TEXT, model_of
from training.gate_picture import draw_gates
from training.gates import GateReading, read_gates

NOWHERE = "\U000f0000"  # for private use: no font has it


@pytest.fixture(scope="module")
def trained(project: Path) -> Model:
    return open_model(project / "models" / "tiny")


@pytest.fixture(scope="module")
def reading(trained: Model) -> GateReading:
    return read_gates(trained, "the soup was great")


def size_of(path: Path) -> tuple[int, int]:
    height, width, _ = imread(path).shape
    return width, height


# A warning, for example of a character that would be a box, fails the test.
@pytest.mark.parametrize("fields", NETWORKS, ids=str)
def test_every_network_and_both_languages_are_drawn(
    trained: Model, fields: dict[str, object], tmp_path: Path
) -> None:
    draw_gates(read_gates(model_of(trained, **fields), TEXT), tmp_path / "gates.png")
    assert min(size_of(tmp_path / "gates.png")) > 200


def test_a_picture_has_a_panel_for_each_gate_and_state(trained: Model, tmp_path: Path) -> None:
    heights = []
    for cell in ("lstm", "gru", "rnn"):
        draw_gates(read_gates(model_of(trained, cell=cell), "soup"), tmp_path / f"{cell}.png")
        heights.append(size_of(tmp_path / f"{cell}.png")[1])
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3


def test_a_longer_text_makes_a_wider_picture(trained: Model, tmp_path: Path) -> None:
    for count in (1, 30):
        draw_gates(read_gates(trained, "soup " * count), tmp_path / f"{count}.png")
    assert size_of(tmp_path / "30.png")[0] > 2 * size_of(tmp_path / "1.png")[0]


def test_what_no_font_has_is_numbered_and_said(reading: GateReading, tmp_path: Path) -> None:
    pieces = ["▁the", NOWHERE, *reading.pieces[2:]]
    undrawn = draw_gates(replace(reading, pieces=pieces), tmp_path / "gates.png")
    assert undrawn == [NOWHERE]
    pieces[1] = "#2"
    assert draw_gates(replace(reading, pieces=pieces), tmp_path / "same.png") == []
    assert (tmp_path / "gates.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def test_dollar_signs_are_words_not_formulas(reading: GateReading, tmp_path: Path) -> None:
    pieces = ["$x_$", "$", "$^{$", *reading.pieces[3:]]
    assert draw_gates(replace(reading, pieces=pieces), tmp_path / "gates.png") == []
