from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.rows import Rows, sample

TEXTS = st.lists(st.text(), min_size=1, max_size=40, unique=True)


@given(TEXTS, st.integers(1, 50))
def test_a_sample_has_as_many_texts_as_there_are_and_keeps_their_order(
    texts: list[str], count: int
) -> None:
    drawn = sample(texts, count)
    assert len(drawn) == min(count, len(texts))
    assert drawn == sorted(set(drawn))
    if count >= len(texts):
        assert drawn == list(range(len(texts)))


@given(TEXTS, st.integers(1, 20), st.data())
def test_a_text_that_goes_makes_room_for_one_other(
    texts: list[str], count: int, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(texts))
    rest = [text for text in texts if text != gone]
    before = {texts[index] for index in sample(texts, count)}
    after = {rest[index] for index in sample(rest, count)}
    assert before - {gone} <= after


def test_a_sample_is_drawn_from_everywhere() -> None:
    texts = [f"{kind} {number}" for kind in ("bad", "good") for number in range(5000)]
    rows = Rows(tuple(texts), tuple(text.split()[0] for text in texts)).sample(1000)
    assert 400 < rows.labels.count("bad") < 600  # a deviation of 15.8: six of them
