"""Labelled texts: read, checked, split, hashed."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pandas as pd

from service.bundle import sha256
from training.config import DataSource, RunConfig
from training.errors import DataError


@dataclass(frozen=True)
class Rows:
    """Labelled texts in columns; `labels` are names, not numbers."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> Rows:
        return Rows(
            tuple(self.texts[index] for index in indices),
            tuple(self.labels[index] for index in indices),
        )

    def only(self, labels: Sequence[str]) -> Rows:
        """The rows whose label is one of `labels`."""
        return self.take([i for i, label in enumerate(self.labels) if label in labels])


@dataclass(frozen=True)
class DataSet:
    """One data set, ready to learn from: `labels` is what it can say."""

    source: DataSource
    labels: tuple[str, ...]
    train: Rows
    dev: Rows
    test: Rows
    dropped: dict[str, int]
    hashes: dict[str, str]

    @property
    def name(self) -> str:
        return self.source.name


def load_data(run: RunConfig, folder: Path) -> tuple[tuple[str, ...], list[DataSet]]:
    """All data sets of a run, and the run's labels in order.

    Raises DataError for a missing file or column, a text column with nothing in it, a
    label that the run does not know (naming file and row), and for a single class.
    """
    data_sets = [_load(source, run, folder) for source in run.data]
    found = {label for data_set in data_sets for label in data_set.train.labels}
    labels = run.labels or tuple(sorted(found))
    if len(found) < 2:
        raise DataError(f"the train rows hold one class only: {sorted(found)}")
    if missing := [label for label in labels if label not in found]:
        raise DataError(f"no train row has the label {missing[0]!r} of the run's labels")
    # A set's labels follow the order of the run's.
    return labels, [
        replace(data_set, labels=tuple(label for label in labels if label in data_set.labels))
        for data_set in data_sets
    ]


def describe(data_sets: Sequence[DataSet]) -> Iterator[str]:
    """A line per data set: its rows, labels, and what was dropped and why."""
    for data_set in data_sets:
        dropped = ", ".join(f"{count} {reason}" for reason, count in data_set.dropped.items())
        yield (
            f"{data_set.name}: {len(data_set.train)} train, {len(data_set.dev)} dev, "
            f"{len(data_set.test)} test; {'/'.join(data_set.labels)}; "
            f"dropped from train: {dropped or 'nothing'}"
        )


def _load(source: DataSource, run: RunConfig, folder: Path) -> DataSet:
    hashes: dict[str, str] = {}
    known = source.labels or run.labels

    def read(split: str | None) -> Rows:
        if split is None:
            return Rows()
        if source.hub:
            origin = f"{source.hub}:{split}"
            rows = _from_frame(_read_hub(source, split), source, origin, known)
            hashes[origin] = sha256(repr(rows).encode("utf-8", "surrogatepass"))
            return rows
        frame, hashes[split] = _read_file(folder / split)
        return _from_frame(frame, source, str(folder / split), known)

    train, dev, test = read(source.train), read(source.dev), read(source.test)
    dropped: Counter[str] = Counter()
    train = _clean(train, set(dev.texts) | set(test.texts), dropped)
    dev, test = _clean_readable(dev), _clean_readable(test)
    if source.train and not len(train):
        raise DataError(f"{source.train}: no row is left to train on ({dict(dropped)})")
    if source.train and source.dev is None:
        train, dev = _hold_out(train, source, run.seed)
    labels = source.labels or tuple(sorted({*train.labels, *dev.labels, *test.labels}))
    if source.train and len(labels) < 2:
        raise DataError(f"{source.train}: holds one class only: {list(labels)}")
    return DataSet(source, labels, train, dev, test, dict(dropped), hashes)


def _read_file(path: Path) -> tuple[pd.DataFrame, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        plain = gzip.decompress(content) if suffixes[-1:] == [".gz"] else content
        frame = _parse(plain, [s for s in suffixes if s != ".gz"][-1:])
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be parsed: {error}") from error
    return frame, sha256(content)


def _parse(content: bytes, suffix: list[str]) -> pd.DataFrame:
    buffer = io.BytesIO(content)
    match suffix:
        case [".csv"] | [".tsv"]:
            separator = "\t" if suffix == [".tsv"] else ","
            # Only an empty cell is missing: "NA", "null" and "None" are texts too.
            return pd.read_csv(
                buffer, sep=separator, dtype=str, keep_default_na=False, na_values=[""]
            )
        case [".jsonl"] | [".ndjson"] | [".json"]:
            return pd.read_json(buffer, lines=True, dtype=False, convert_dates=False)
        case [".parquet"]:
            return pd.read_parquet(buffer, dtype_backend="pyarrow")
    raise DataError("neither .csv, .tsv, .jsonl nor .parquet (each plain or .gz)")


def _read_hub(source: DataSource, split: str) -> pd.DataFrame:
    import datasets  # takes a second to import, and most runs read files

    try:
        loaded = datasets.load_dataset(source.hub, source.hub_config, split=split)
    except (OSError, ValueError) as error:
        raise DataError(f"data set {source.hub!r}, split {split!r}: {error}") from error
    frame = loaded.to_pandas()
    feature = loaded.features.get(source.label_column)
    if isinstance(feature, datasets.ClassLabel):
        named = [
            feature.int2str(value) if value >= 0 else None for value in loaded[source.label_column]
        ]
        frame[source.label_column] = named
    return frame


def _from_frame(
    frame: pd.DataFrame, source: DataSource, origin: str, known: tuple[str, ...] | None
) -> Rows:
    """Texts and renamed labels; a missing one becomes the empty string."""
    for field, column in (
        ("text_column", source.text_column),
        ("label_column", source.label_column),
    ):
        if column not in frame.columns:
            raise DataError(
                f"{origin}: no column {column!r} (see {field}); it has {list(frame.columns)}"
            )
    texts = _column(frame, source.text_column)
    labels = [
        source.rename_labels.get(label, label) for label in _column(frame, source.label_column)
    ]
    if not any(text.strip() for text in texts):
        raise DataError(f"{origin}: the column {source.text_column!r} holds no text")
    for row, label in enumerate(labels, start=1):
        if label and known and label not in known:
            raise DataError(
                f"{origin}: row {row}: unknown label {label!r}; known are {list(known)}"
            )
    return Rows(tuple(texts), tuple(labels))


def _column(frame: pd.DataFrame, column: str) -> list[str]:
    return ["" if pd.isna(value) else str(value) for value in frame[column]]


def _clean(rows: Rows, held_out: set[str], dropped: Counter[str]) -> Rows:
    """Drop what cannot be learnt from, counting each reason."""
    says: dict[str, set[str]] = {}
    for text, label in zip(rows.texts, rows.labels, strict=True):
        says.setdefault(text, set()).add(label)
    seen: set[str] = set()
    kept: list[int] = []
    for index, (text, label) in enumerate(zip(rows.texts, rows.labels, strict=True)):
        reason = (
            "without text" if not text.strip()
            else "without label" if not label
            else "also in dev or test" if text in held_out
            else "labelled in two ways" if len(says[text] - {""}) > 1
            else "repeated" if text in seen
            else None
        )  # fmt: skip
        if reason:
            dropped[reason] += 1
        else:
            seen.add(text)
            kept.append(index)
    return rows.take(kept)


def _clean_readable(rows: Rows) -> Rows:
    return rows.take([i for i in range(len(rows)) if rows.texts[i].strip() and rows.labels[i]])


def _hold_out(train: Rows, source: DataSource, seed: int) -> tuple[Rows, Rows]:
    """Set a random share of train aside as dev, the same for the same seed."""
    order = list(range(len(train)))
    Random(f"{source.name}/{seed}").shuffle(order)
    cut = round(len(order) * source.dev_share)
    return train.take(sorted(order[cut:])), train.take(sorted(order[:cut]))
