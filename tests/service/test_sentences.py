from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.characters import VISIBLE
from service.sentences import split_sentences

# A bar stands where a sentence ends.
ENGLISH = [
    "Nice room. |Cold soup!  |Would I go back? |No.",
    "it was fine. |i would come back. |thanks",
    "So good!!! |So dear?! |Never again…",
    "Dr. Lee met Mrs. Park, e.g. at St. John's, i.e. the church on Main St. near the lake.",
    "It opens at 9 a.m. and shuts at 5 p.m. every day.",
    "We left at 6 p.m. |The bus was late.",
    "She moved to the U.S. |Her brother stayed.",
    "She works for the U.S. Treasury in D.C. as a clerk.",
    "Made by Hill & Co. in 1990. |It still works.",
    "I asked Hill & Co. |They never answered.",
    "See p. 12, fig. 3 and no. 7 of vol. 2.",
    "He said no. |Then he left.",
    "Music by J. S. Bach and T. Adams.",
    "It is for you and I. |Will you come?",
    "It costs $3.50 or 4.25 with tax. |Cheap.",
    "Version 2.0.1 of app.py is at https://a.example/x.y?Z=1. |Mail me@b.example.org.",
    "1. Open the box. |2. Read the manual. |3. Give up.",
    "I waited... and waited . . . and left.",
    "I waited... |Nobody came.",
    "Well…maybe. |Well… |Maybe.",
    '"Never again." |She meant it.',
    '"Never again." she said.',
    "“It works!” |He was glad.",
    "'Fine.' |So be it.",
    "The waiter (he was new. Or tired.) forgot us. |We left.",
    "(We never ordered it.) |Odd.",
    "No space here.|The next one starts.|It goes on.",
    "Written in Node.Js by A.Nother.",
    "The Good\n|It is quick.\n|The Bad\n|It is loud",
    "a line that is wrapped\nby hand and goes on.",
    "one line\n\n|another one",
]
CHINESE = [
    "味道不错。|就是有点贵！|还会再来吗？|看情况",
    "太慢了！！！|真的太慢了。。。|算了",
    "还行吧……|价格偏高。",
    "等了很久……，最后也没来。",
    "好吃...|下次还来",
    "《你好！朋友》很好看。|推荐！",
    "“真不错！”|他说。",
    '他说："不好。"|然后走了。',
    "服务（尤其是前台！）很热情。|赞",
    "（已经退货了。）|不推荐。",
    "屏幕5.5寸，续航2.5天。|值",
    "物流快!|包装好!|点赞",
    "质量差.|不会再买.",
    "「好。」|「不好。」",
    "第一行\n|第二行\r\n|第三行",
    "全角．|数字３．５不断",
]
MIXED = [
    "服务很好!|Great service. |下次再来。|Bye!",
    "用的是iPhone 15 Pro，no problem。|很好",
]
EMOJI = [
    "Loved it! 😀😀 |The end 👍🏽 was good. 👨‍👩‍👧 |Bye",
    "Loved it 😍 |Will be back",
    "The 😀 face and the ❤️ sign and I ❤ New York",
    "很好吃😋|就是有点辣🌶️下次少放",
    "我❤北京，也👍你",
    "Nice! :) |Next one :-( was not. <3 |Done",
    "It was bad :( and late. |Then it was fine :)",
]


def cut(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize("marked", [*ENGLISH, *CHINESE, *MIXED, *EMOJI])
def test_sentences_end_where_a_reader_would_end_them(marked: str) -> None:
    sentences = marked.split("|")
    assert cut("".join(sentences)) == sentences


@given(
    text=st.text(
        st.sampled_from(
            "ab AZ.,!?…。！？\n\r\t\u3000\u200b\"'()“”《》（）好吃3😀👍🏽\u200d❤\ufe0f:)"
        )
    )
)
@example("")
@example("\u200b\n\n.")
@example("\n\n好\n\n")
def test_no_text_is_lost_and_no_sentence_is_blank(text: str) -> None:
    sentences = cut(text)
    assert "".join(sentences) == text
    if VISIBLE.search(text):
        assert all(VISIBLE.search(sentence) for sentence in sentences)


@given(text=st.text())
def test_spans_follow_each_other_in_any_text(text: str) -> None:
    ends = [0, *(span.end for span in split_sentences(text))]
    assert [span.start for span in split_sentences(text)] == ends[:-1]
    assert ends[-1] == len(text)


def test_a_family_of_emoji_is_never_cut() -> None:
    assert cut("Nice.👨‍👩‍👧👍🏽🇬🇧 Next") == ["Nice.👨‍👩‍👧👍🏽🇬🇧 ", "Next"]


@pytest.mark.parametrize("part", ["a. ", "e.g. ", ". ", '."', "(", "😀", "\n", " ", "a\nb", "！"])
def test_long_texts_of_marks_only_are_read_whole(part: str) -> None:
    text = part * 2000
    assert "".join(cut(text)) == text
