"""Texts without labels: read, checked, hashed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random

from service.sentences import split_sentences
from service.words import UNIT
from training.data_config import TextSource
from training.datasets import DataSet
from training.errors import DataError
from training.files import read_file
from training.misspelling import misspell
from training.rows import is_unicode, kept, sample, text_cells

SHORTEST_SPAN = 3
"""Words, or Chinese characters."""


@dataclass(frozen=True)
class UnlabelledSet:
    """The texts of one file that no data set of the run holds."""

    source: TextSource
    texts: tuple[str, ...]
    dropped: dict[str, int]
    hash: str
    """SHA-256 of the file."""
    originals: tuple[str, ...]
    """The texts as teachers read them: none of their words is misspelt."""


def load_unlabelled(
    sources: Sequence[TextSource], folder: Path, data_sets: Sequence[DataSet]
) -> list[UnlabelledSet]:
    """The texts of each file, without those that stand in `data_sets` or an earlier file.

    Raises DataError for a missing file or column, and for a file without a text to learn from.
    """
    held_out = {text for d in data_sets for rows in (d.dev, d.test) for text in rows.texts}
    seen = {text for d in data_sets for text in d.train.texts}
    return [_load(source, folder / source.file, held_out, seen) for source in sources]


def train_texts(data_sets: Sequence[DataSet], unlabelled: Sequence[UnlabelledSet]) -> list[str]:
    """All texts to learn from, those without label last."""
    return _behind_labelled(data_sets, (each.texts for each in unlabelled))


def original_texts(data_sets: Sequence[DataSet], unlabelled: Sequence[UnlabelledSet]) -> list[str]:
    """The same as teachers read them."""
    return _behind_labelled(data_sets, (each.originals for each in unlabelled))


def _behind_labelled(
    data_sets: Sequence[DataSet], unlabelled: Iterable[Sequence[str]]
) -> list[str]:
    labelled = [text for data_set in data_sets for text in data_set.train.texts]
    return [*labelled, *chain.from_iterable(unlabelled)]


def describe_unlabelled(sets: Sequence[UnlabelledSet]) -> Iterator[str]:
    """A line per file: its texts, and what was dropped and why."""
    for each in sets:
        dropped = ", ".join(f"{count} {reason}" for reason, count in each.dropped.items())
        yield f"{each.source.file}: {len(each.texts)} unlabelled; dropped: {dropped or 'nothing'}"


def _load(source: TextSource, path: Path, held_out: set[str], seen: set[str]) -> UnlabelledSet:
    """Read one file; `seen` grows by its texts."""
    frame, digest = read_file(path)
    texts = text_cells(frame, source.text_column, str(path))
    dropped: Counter[str] = Counter()
    # A text that is held out is not read in parts or misspelt either.
    if source.sentences or source.spans or source.misspelt:
        whole = kept((_unfit(text, held_out) for text in texts), dropped)
        texts = [part for index in whole for part in _parts(texts[index], source)]

    shown = [misspell(text, source.misspelt) for text in texts] if source.misspelt else texts

    def reasons() -> Iterator[str | None]:
        for text, original in zip(shown, texts, strict=True):
            yield _unfit(original, held_out) or ("repeated" if text in seen else None)
            seen.add(text)

    left = kept(reasons(), dropped)
    if not left:
        raise DataError(f"{path}: no text is left to learn from ({dict(dropped)})")
    if source.rows:
        drawn = sample([shown[index] for index in left], source.rows)
        left = [left[index] for index in drawn]
    return UnlabelledSet(
        source,
        texts=tuple(shown[index] for index in left),
        dropped=dict(dropped),
        hash=digest,
        originals=tuple(texts[index] for index in left),
    )


def _unfit(text: str, held_out: set[str]) -> str | None:
    return (
        "without text" if not text.strip()
        else "not Unicode" if not is_unicode(text)
        else "also in dev or test" if text in held_out
        else None
    )  # fmt: skip


def _parts(text: str, source: TextSource) -> Iterator[str]:
    """The sentences of a text, its runs of words, or those of its sentences."""
    for part in _sentences(text) if source.sentences else (text,):
        yield from _spans(part, source.spans) if source.spans else (part,)


def _sentences(text: str) -> Iterator[str]:
    for span in split_sentences(text):
        yield text[span.start : span.end].strip()


def _spans(text: str, count: int) -> Iterator[str]:
    """Runs of its words, drawn by the text itself, never all of it; none where it is short.

    "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks" (Tang et al. 2019,
    arXiv:1903.12136), section 3.3, takes one to five words. Any number is as likely here.
    """
    words = [match.span() for match in UNIT.finditer(text)]
    draw = Random(text)
    for _ in range(count if len(words) > SHORTEST_SPAN else 0):
        length = draw.randrange(SHORTEST_SPAN, len(words))
        first = draw.randrange(len(words) - length + 1)
        yield text[words[first][0] : words[first + length - 1][1]]
