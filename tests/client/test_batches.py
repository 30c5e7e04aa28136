from __future__ import annotations

from itertools import count, islice

import pytest

from service.client.batches import BatchLimits, cut_batches


def test_batches_are_cut_by_number_and_by_characters() -> None:
    texts = ["a", "b", "c", "dddd", "ee", "f" * 9, "g"]
    batches = list(cut_batches(texts, BatchLimits(texts=2, chars=5)))
    assert batches == [["a", "b"], ["c", "dddd"], ["ee"], ["f" * 9], ["g"]]


def test_no_texts_make_no_batch() -> None:
    assert list(cut_batches([], BatchLimits(2, 5))) == []


def test_texts_are_read_only_as_far_as_needed() -> None:
    numbers = count()
    endless = (f"{number}" for number in numbers)
    assert len(list(islice(cut_batches(endless, BatchLimits(10, 1000)), 3))) == 3
    assert next(numbers) == 31


def test_what_is_no_text_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="a text must be a str, not float: nan"):
        list(cut_batches(["a", float("nan")], BatchLimits(2, 5)))  # type: ignore[list-item]


@pytest.mark.parametrize("limits", [{"texts": 0, "chars": 5}, {"texts": 5, "chars": 0}])
def test_limits_below_one_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, it is 0"):
        BatchLimits(**limits)
