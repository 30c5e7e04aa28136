from __future__ import annotations

from dataclasses import replace

from service.model import Model
from tests.training.samples import data_set
from tests.training.test_contrast import answering
from training.contrast import probe, probe_markdown, read_pairs
from training.packing import replace_fields
from training.rows import Rows
from training.weak_spots import weak_spots_markdown

ROWS = [
    ("ok", "positive"),
    ("this was not a bad film at all, quite the opposite", "positive"),
    ("this was not a good film at all, quite the opposite", "negative"),
]


def in_languages(model: Model, *languages: str) -> Model:
    manifest = replace_fields(model.bundle.manifest, languages=languages)
    return Model(replace(model.bundle, manifest=manifest), model.tokenizer, model.engine)


def test_kinds_of_text_stand_worst_first_and_pairs_in_the_languages_alone(model: Model) -> None:
    short = in_languages(answering(model, longest=8), "zh")
    found = data_set("films", ("negative", "positive"), test=ROWS)
    domains = ("plain", "denied", "plain")
    kinds = replace(found, test=replace(found.test, domains=domains))
    without_rows = data_set("empty", ("negative", "positive"))
    sections = weak_spots_markdown(short, [without_rows, kinds], "test")
    rows = [line for line in sections.splitlines() if line.startswith("| films")]
    assert [row.split(" | ")[1:3] for row in rows] == [["denied", "1"], ["plain", "2"]]
    assert rows[0].split(" | ")[3].startswith("0.0 (")
    assert rows[1].split(" | ")[3].startswith("100.0 (")
    chinese = [pair for pair in read_pairs() if pair.language == "zh"]
    assert sections.endswith(probe_markdown(probe(short, chinese)))
    assert "| en |" not in sections


def test_there_may_be_nothing_to_say(model: Model) -> None:
    rows = replace(data_set("films", ("negative", "positive")), test=Rows(*zip(*ROWS, strict=True)))
    assert weak_spots_markdown(in_languages(model, "fr"), [rows], "test") == ""
