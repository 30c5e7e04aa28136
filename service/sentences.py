"""Texts cut into sentences: rules for English and Chinese, in doubt for the longer sentence."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from service.abbreviations import ABBREVIATIONS, BEFORE_NUMBERS, STARTERS, TITLES
from service.characters import BLANK, CJK, EMOJI, FACE, VISIBLE

LINE_BREAK = r"[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]"
MARK = re.compile(
    rf"(?P<line>{LINE_BREAK}[{BLANK}]*)"
    rf"|(?P<face>{FACE}+)"
    r"|(?P<end>(?:[!?…。！？｡．‼⁇⁈⁉]|\.(?:\ \.)*)+)"
)
ONE_BREAK = re.compile(rf"\r\n|{LINE_BREAK}")
FULL_WIDTH = re.compile(r"[。！？｡]")
ELLIPSIS = re.compile(r"…+|[.．](?: ?[.．])+")
CLOSERS = re.compile(r"[)\]}）】〕》〉」』”’»]+")
STRAIGHT_QUOTE = re.compile(r"[\"']")
EMOTICON = r"(?:[:;=8xX]['\-]?[)(DPpOo3/\\|]|<3|\^_*\^|T_T)"
EMOJIS_AFTER = re.compile(rf"(?:[ \t\u3000]*(?:{EMOJI}|{EMOTICON}(?=\s|$)))+")
BLANKS = re.compile(rf"[{BLANK}]*")
IN_CJK = re.compile(rf"[{CJK}]")
# What is between them is one piece: a title's 《吧！》, a remark (like this. Or this.) An opening
# bracket after : ; = - is the mouth of an emoticon.
BRACKETED = re.compile(
    r"(?=[《【\[（(])(?:《[^《》\n]{0,200}》|【[^【】\n]{0,200}】|\[[^\[\]\n]{0,200}\]|（[^（）\n]{0,200}）"
    r"|(?<![:;=\-])\([^()\n]{0,200}\))"
)
CONTINUES = ",，、;；:：.!?…。！？｡"
LINE_CONTINUES = ",，、;；:：-–—(（"
WORD_BEFORE = re.compile(r"[^\s(（\[“‘\"']+$")
NEXT_WORD = re.compile(r"[\"'“‘(\[]*([A-Za-z]+)")
ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]|ph\.d", re.IGNORECASE)
ITEM_NUMBER = re.compile(r"\W*(?:\d{1,3}|[A-Za-z])")
LOOK_BACK = 32  # characters, enough for any abbreviation


@dataclass(frozen=True)
class Span:
    """A part of a text, in Unicode code points."""

    start: int
    end: int


def split_sentences(text: str) -> list[Span]:
    """The sentences of a text in their order; together they are the whole text.

    A sentence takes with it the quotes, brackets and emoji that close it and the blanks up to
    the next. Where the text holds more than blanks, so does every sentence.
    """
    return _Splitter(text).split()


class _Splitter:
    """A text, with what the rules have to know of it as a whole."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._brackets = [match.span() for match in BRACKETED.finditer(text)]
        self._bracket_starts = [start for start, _ in self._brackets]
        self._quotes = [match.start() for match in re.finditer('"', text)]
        self._start = 0  # of the sentence that is being read

    def split(self) -> list[Span]:
        spans = []
        for mark in MARK.finditer(self._text):
            if mark.start() >= self._start and (end := self._find_end(mark)) is not None:
                end = _match_end(BLANKS, self._text, end)
                spans.append(Span(self._start, end))
                self._start = end
        if self._start < len(self._text):
            spans.append(Span(self._start, len(self._text)))
        return spans

    def _find_end(self, mark: re.Match[str]) -> int | None:
        """Where the sentence ends, if it does so at this mark."""
        if mark["line"]:
            return mark.end() if self._is_line_end(mark) else None
        if mark["face"]:
            return mark.end() if self._is_face_end(mark) else None
        closed = self._skip_closers(mark.end())
        end = _match_end(EMOJIS_AFTER, self._text, closed)
        return end if self._is_end(mark, closed, end) else None

    def _is_line_end(self, mark: re.Match[str]) -> bool:
        if not VISIBLE.search(self._text, self._start, mark.start()):
            return False
        if len(ONE_BREAK.findall(mark["line"])) > 1:
            return True
        before = self._text[max(0, mark.start() - LOOK_BACK) : mark.start()].rstrip()[-1:]
        return before not in LINE_CONTINUES and not self._char(mark.end()).islower()

    def _is_face_end(self, mark: re.Match[str]) -> bool:
        if not VISIBLE.search(self._text, self._start, mark.start()):
            return False
        following = self._skip_blanks(mark.end())
        if following > mark.end():
            return self._char(following).isupper()
        return self._is_cjk(following) and self._is_cjk(mark.start() - 1)

    def _is_end(self, mark: re.Match[str], closed: int, end: int) -> bool:
        following = self._skip_blanks(end)
        if following == len(self._text):
            return True
        if self._is_bracketed(mark.start(), closed) or self._char(end) in CONTINUES:
            return False
        if FULL_WIDTH.search(mark["end"]):
            return True
        if closed > mark.end() and self._char(following).islower():
            return False  # "Never again." she said.
        if ELLIPSIS.fullmatch(mark["end"]):
            return self._is_ellipsis_end(mark, end, following)
        if following == end:
            return closed < end or self._is_end_without_space(mark, end)
        return mark["end"] not in ".．" or self._is_stop(mark.start(), following)

    def _is_ellipsis_end(self, mark: re.Match[str], end: int, following: int) -> bool:
        if following > end:
            after = self._char(following)
            return after.isupper() or after in "“‘\"'(" or self._is_cjk(following)
        return self._is_cjk(end) and len(mark["end"]) > (1 if "…" in mark["end"] else 2)

    def _is_end_without_space(self, mark: re.Match[str], end: int) -> bool:
        """Whether a stop is an end though the next letter follows at once."""
        if self._is_cjk(end):
            return self._is_cjk(mark.start() - 1) or mark["end"] not in ".．"
        if self._is_cjk(mark.start() - 1):
            return self._char(end).isupper()
        before = self._text[max(0, mark.start() - 2) : mark.start()]
        return before.isalpha() and before.islower() and self._starts_sentence(end)

    def _is_stop(self, dot: int, following: int) -> bool:
        """Whether a full stop with a blank after it ends a sentence, rather than a short form."""
        if self._is_cjk(dot - 1) or self._is_cjk(following):
            return True
        if dot - self._start < 8 and ITEM_NUMBER.fullmatch(self._text, self._start, dot):
            return False
        before = self._text[max(self._start, dot - LOOK_BACK) : dot]
        found = WORD_BEFORE.search(before)
        word = found[0] if found else ""
        short = word.lower()
        if short in TITLES or (short in BEFORE_NUMBERS and self._char(following).isdigit()):
            return False
        if len(word) == 1 and word.isupper():
            in_name = before[: -len(word)].split()[-1:]
            return bool(in_name) and in_name[0].islower() and self._starts_sentence(following)
        if short in ABBREVIATIONS or ACRONYM.fullmatch(word):
            return self._starts_sentence(following)
        return True

    def _starts_sentence(self, position: int) -> bool:
        """Whether a capital that begins no name stands here."""
        found = NEXT_WORD.match(self._text, position)
        return found is not None and found[1][0].isupper() and found[1].lower() in STARTERS

    def _is_bracketed(self, position: int, closed: int) -> bool:
        """Whether a mark belongs to a bracket that the sentence goes on after."""
        index = bisect_right(self._bracket_starts, position) - 1
        if index < 0:
            return False
        start, end = self._brackets[index]
        return position < end and (closed < end or start > self._start)

    def _skip_closers(self, position: int) -> int:
        while True:
            end = _match_end(CLOSERS, self._text, position)
            if STRAIGHT_QUOTE.match(self._text, end) and self._is_closing_quote(end):
                end += 1
            if end == position:
                return end
            position = end

    def _is_closing_quote(self, position: int) -> bool:
        if self._text[position] == "'":  # as an apostrophe, too common to be counted
            return not self._char(position + 1).isalnum()
        opened = bisect_left(self._quotes, position) - bisect_left(self._quotes, self._start)
        return opened % 2 == 1

    def _skip_blanks(self, position: int) -> int:
        return _match_end(BLANKS, self._text, position)

    def _char(self, position: int) -> str:
        return self._text[position : position + 1]

    def _is_cjk(self, position: int) -> bool:
        return position >= 0 and IN_CJK.match(self._text, position) is not None


def _match_end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """The end of what the pattern finds at a position; the position itself for nothing."""
    found = pattern.match(text, position)
    return found.end() if found else position
