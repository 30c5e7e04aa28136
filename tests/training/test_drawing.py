from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.samples import ROOT
from training.config import parse_run
from training.contrast import read_pairs
from training.datasets import load_data
from training.drawing import draw_rows
from training.errors import DataError
from training.files import read_file

SHIPPED = sorted((ROOT / "training" / "templates").glob("*.toml"))
PROBES = ROOT / "training" / "probes"

SMALL = """
[slots]
thing = ["soup", "{colour} car"]
colour = ["red", "blue"]
good = ["good", "fine"]

[[templates]]
phenomenon = "negation"
positive = ["the {thing} is {good}"]
negative = ["the {thing} is  not {good} ", "no {good} {thing}"]

[[templates]]
phenomenon = "facts"
neutral = ["a {thing}"]
"""


def write(folder: Path, text: str = SMALL) -> Path:
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


# Drawing


def test_rows_are_patterns_with_their_slots_filled(tmp_path: Path) -> None:
    frame, digest = draw_rows(write(tmp_path), 2000, "a")
    things, goods = ("soup", "red car", "blue car"), ("good", "fine")
    assert {*frame.itertuples(index=False, name=None)} == {
        *((f"the {t} is {g}", "positive", "negation") for t in things for g in goods),
        *((f"the {t} is not {g}", "negative", "negation") for t in things for g in goods),
        *((f"no {g} {t}", "negative", "negation") for t in things for g in goods),
        *((f"a {t}", "neutral", "facts") for t in things),
    }
    assert len(digest) == 64


def test_phenomena_and_the_labels_of_each_are_equally_likely(tmp_path: Path) -> None:
    frame, _ = draw_rows(write(tmp_path), 4000, "a")
    share = frame["label"].value_counts(normalize=True)
    expected = {"positive": 0.25, "negative": 0.25, "neutral": 0.5}
    assert share.to_dict() == pytest.approx(expected, abs=0.04)


def test_a_seed_draws_the_same_rows_again(tmp_path: Path) -> None:
    path = write(tmp_path)
    first, again, other = (draw_rows(path, 50, seed)[0]["text"].tolist() for seed in "aab")
    assert first == again != other


# What is wrong with a file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[slots", "not TOML"),
        ("[slots]\nthing = ['a']\n", "templates: Field required"),
        ("templates = []", "templates: List should have at least 1 item"),
        ("rows = 3\n" + SMALL, "rows: Extra inputs"),
        (SMALL.replace('["red", "blue"]', "[]"), "slots.colour: List should have at least 1 item"),
        (SMALL.replace('["a {thing}"]', '"a {thing}"'), "neutral: Input should be a valid list"),
        (SMALL.replace("a {thing}", "a {think}"), "unknown slot {think}; known are .*'thing'"),
        (SMALL.replace('"red"', '"{thing}"'), "a slot holds itself: .*thing -> colour|colour"),
        (SMALL.replace('neutral = ["a {thing}"]', ""), "the template 'facts' has no label"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"small\.toml: .*{message}"):
        draw_rows(write(tmp_path, text), 1, "a")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml: cannot be read"):
        draw_rows(tmp_path / "none.toml", 1, "a")


# As a data set


def test_a_data_set_is_drawn_from_templates(tmp_path: Path) -> None:
    path = str(write(tmp_path))
    source = {"name": "drawn", "templates": path, "template_rows": 500, "dev_share": 0.0}
    run = parse_run({"name": "x", "labels": ["negative", "neutral", "positive"], "data": [source]})
    labels, (drawn,) = load_data(run, tmp_path / "nowhere")
    assert drawn.labels == labels == run.labels
    assert len(drawn.train) == 21  # all that there are
    assert drawn.dropped == {"repeated": 479}
    assert drawn.hashes.keys() == {path}
    assert not len(drawn.dev)


# The files that ship


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_templates_hold_no_probe_and_contradict_nothing(path: Path) -> None:
    """The probes are for testing: a network that learnt them would tell nothing more."""
    frame, _ = draw_rows(path, 30_000, "a")
    elsewhere, _ = read_file(PROBES / "elsewhere.csv")
    texts = [
        *elsewhere["text"],
        *(t for pair in read_pairs() for t in (pair.positive, pair.negative)),
    ]
    assert set(map(_bare, texts)).isdisjoint(map(_bare, frame["text"]))
    labels = frame.groupby(frame["text"].map(_bare))["label"].nunique()
    assert labels[labels > 1].index.tolist() == []
    assert frame["text"].nunique() > 20_000


def test_templates_ship_in_both_languages() -> None:
    assert [path.stem for path in SHIPPED] == ["chinese", "english"]


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
