from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from service.bundle import sha256
from tests.training.samples import data_set
from training.data_config import TextSource
from training.errors import DataError
from training.misspelling import misspell
from training.unlabelled import UnlabelledSet, describe_unlabelled, load_unlabelled

SETS = [
    data_set(
        "s",
        ("negative", "positive"),
        train=[("in train", "positive")],
        dev=[("in dev", "positive")],
        test=[("in test", "negative")],
    )
]


def load(folder: Path, *names: str) -> list[UnlabelledSet]:
    return load_unlabelled([TextSource(file=name) for name in names], folder, SETS)


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\none\ntwo\n")
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(b"text\tother\nthree\t1\n"))
    (tmp_path / "c.jsonl").write_text('{"text": "four"}\n{"other": 1}\n')
    pd.DataFrame({"text": ["five"]}).to_parquet(tmp_path / "d.parquet")
    found = load(tmp_path, "a.csv", "b.tsv.gz", "c.jsonl", "d.parquet")
    assert [each.texts for each in found] == [("one", "two"), ("three",), ("four",), ("five",)]
    assert found[2].dropped == {"without text": 1}
    assert found[0].hash == sha256(b"text\none\ntwo\n")


def test_texts_of_the_data_sets_and_of_earlier_files_are_dropped_and_counted(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text("text\nnew\nin train\nin dev\nin test\nnew\n")
    (tmp_path / "b.csv").write_text("text\nnew\nnewer\n")
    found = load(tmp_path, "a.csv", "b.csv")
    assert [each.texts for each in found] == [("new",), ("newer",)]
    assert list(describe_unlabelled(found)) == [
        "a.csv: 1 unlabelled; dropped: 2 repeated, 2 also in dev or test",
        "b.csv: 1 unlabelled; dropped: 1 repeated",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("review\ngood\n", r"no column 'text' \(see text_column\); it has \['review'\]"),
        ("text\nin dev\n", "no text is left to learn from"),
        ("text,other\n,1\n", "holds no text"),
    ],
)
def test_a_file_without_texts_to_learn_from_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=f"a.csv: .*{message}"):
        load(tmp_path, "a.csv")


def test_sentences_are_texts_of_their_own_where_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\n"Good. Not bad!  in dev"\n很好。不错。Good.\n')
    source = TextSource(file="a.csv", sentences=True)
    (found,) = load_unlabelled([source], tmp_path, SETS)
    assert found.texts == ("Good.", "Not bad!", "很好。", "不错。")
    assert found.dropped == {"also in dev or test": 1, "repeated": 1}


def test_runs_of_words_stand_for_a_text_where_asked_for(tmp_path: Path) -> None:
    english, chinese = "Don't go there, not even for free!", "味道很好下次再来"
    (tmp_path / "a.csv").write_text(f'text\n"{english}"\n{chinese}\ntoo short\n')

    def drawn(spans: int) -> tuple[str, ...]:
        source = TextSource(file="a.csv", spans=spans)
        (found,) = load_unlabelled([source], tmp_path, SETS)
        return found.texts

    spans = drawn(60)
    of_english = {span for span in spans if span in english}
    of_chinese = {span for span in spans if span in chinese}
    assert of_english | of_chinese == {*spans}
    assert {english, chinese}.isdisjoint(spans)
    assert {"Don't go there", "there, not", "even for free!"} <= of_english
    assert {len(span) for span in of_chinese} == {3, 4, 5, 6, 7}
    assert spans == drawn(60)
    assert {*drawn(1)} < {*spans}


def test_texts_of_the_data_sets_may_be_read_misspelt(tmp_path: Path) -> None:
    sets = [data_set("s", ("negative", "positive"), train=[("broken screen", "negative")])]
    (tmp_path / "a.csv").write_text("text\nbroken screen\nwonderful\n味道很好\n")
    source = TextSource(file="a.csv", misspelt=1.0)
    (found,) = load_unlabelled([source], tmp_path, sets)
    assert found.originals == ("broken screen", "wonderful", "味道很好")
    assert found.texts == (*(misspell(text, 1.0) for text in found.originals[:2]), "味道很好")
    assert "broken screen" not in found.texts


@pytest.mark.parametrize("source", [{"sentences": True}, {"spans": 9}, {"misspelt": 0.9}])
def test_nothing_is_made_of_a_text_that_is_held_out_or_not_unicode(
    tmp_path: Path, source: dict[str, int]
) -> None:
    held_out = "Held out. Every sentence of it."
    sets = [data_set("s", ("negative", "positive"), dev=[(held_out, "positive")])]
    lines = [
        f'{{"text": "{text}"}}' for text in (held_out, "A lone \\ud800. Half.", "one two. more")
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    (found,) = load_unlabelled([TextSource(file="a.jsonl", **source)], tmp_path, sets)
    assert found.texts
    assert all(text in "one two. more" for text in found.originals)
    assert {"also in dev or test", "not Unicode"} <= {*found.dropped}


def test_so_many_texts_are_drawn_of_those_that_are_new(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n".join(["text", "in dev", *map(str, range(20))]))

    def drawn(rows: int) -> tuple[str, ...]:
        (found,) = load_unlabelled([TextSource(file="a.csv", rows=rows)], tmp_path, SETS)
        return found.texts

    assert len(drawn(5)) == 5 == len({*drawn(5)} & {*map(str, range(20))})
    assert drawn(5) == drawn(5) == tuple(sorted(drawn(5), key=int)) != tuple("01234")
    assert drawn(20) == drawn(99) == tuple(map(str, range(20)))
