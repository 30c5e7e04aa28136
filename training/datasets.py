"""Labelled texts: read, checked, split, hashed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import pandas as pd

from service.bundle import sha256
from training.config import RunConfig, bundle_at_start
from training.data_config import DataSource
from training.drawing import draw_rows
from training.errors import DataError
from training.files import read_file
from training.rows import Rows, from_frame, is_unicode, kept

Split = Literal["train", "dev", "test"]
TWO_WAY = ("negative", "positive")


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

    def split(self, name: Split) -> Rows:
        return {"train": self.train, "dev": self.dev, "test": self.test}[name]


@dataclass(frozen=True)
class _Split:
    """The rows of one split as they were read, before any is dropped."""

    origin: str
    rows: Rows


def load_data(run: RunConfig, folder: Path) -> tuple[tuple[str, ...], list[DataSet]]:
    """All data sets of a run, and the run's labels in order.

    Raises DataError for a missing file or column, a text column with nothing in it, a
    label that the run does not know or no train row has (naming file and row), and for a
    single class. A label of the run may be one that no train row has where the run has
    teachers, or starts from a bundle of the same labels.
    """
    read = [_read_splits(source, folder, run.seed) for source in run.data]
    data_sets = [
        _prepare(source, splits, hashes, run.seed)
        for source, (splits, hashes) in zip(run.data, read, strict=True)
    ]
    found = {label for data_set in data_sets for label in data_set.train.labels}
    labels = run.labels or tuple(sorted(found))
    for source, (splits, _) in zip(run.data, read, strict=True):
        known = [label for label in labels if label in (source.labels or labels)]
        for split in splits:
            _check_labels(split, known)
    taught = bool(run.distillation and run.distillation.teachers)
    if len(labels if taught else found) < 2:
        raise DataError(f"the train rows hold one class only: {sorted(found)}")
    missing = [label for label in labels if label not in found | _known_at_start(run)]
    if missing and not taught:
        raise DataError(f"no train row has the label {missing[0]!r} of the run's labels")
    # A set's labels follow the order of the run's.
    return labels, [
        replace(data_set, labels=tuple(label for label in labels if label in data_set.labels))
        for data_set in data_sets
    ]


def _known_at_start(run: RunConfig) -> set[str]:
    """The labels of the bundle that a run starts from, where it goes on with its head."""
    bundle = bundle_at_start(run)
    return set(run.labels or ()) if bundle and bundle.manifest.labels == run.labels else set()


def load_file(source: DataSource, known: Sequence[str]) -> DataSet:
    """One data set to test on, without a run; its splits are paths, its labels `known` ones.

    Where the rows are negative, positive or both, it is two-way. Raises DataError as
    `load_data` does, and where there are no test rows, or no domains that it names.
    """
    splits, hashes = _read_splits(source, Path(), 0)
    for split in splits:
        _check_labels(split, known)
    data_set = _prepare(source, splits, hashes, seed=0)
    if not len(data_set.test):
        raise DataError(f"{source.test}: no row is left to score ({data_set.dropped})")
    if source.domain_column and not data_set.test.domains:
        raise DataError(f"{source.test}: no column {source.domain_column!r} (see --domain-column)")
    said = {*data_set.labels, *(TWO_WAY if set(data_set.labels) <= set(TWO_WAY) else ())}
    return replace(data_set, labels=tuple(label for label in known if label in said))


def describe(data_sets: Sequence[DataSet]) -> Iterator[str]:
    """A line per data set: its rows, labels, and what was dropped and why."""
    for data_set in data_sets:
        dropped = ", ".join(f"{count} {reason}" for reason, count in data_set.dropped.items())
        yield (
            f"{data_set.name}: {len(data_set.train)} train, {len(data_set.dev)} dev, "
            f"{len(data_set.test)} test; {'/'.join(data_set.labels)}; "
            f"dropped: {dropped or 'nothing'}"
        )


def _read_splits(
    source: DataSource, folder: Path, seed: int
) -> tuple[list[_Split], dict[str, str]]:
    """Train, dev and test as they are written, and the SHA-256 of each."""
    hashes: dict[str, str] = {}

    def read(split: str | None) -> _Split:
        if split is None:
            return _Split("", Rows())
        if source.hub:
            origin = f"{source.hub}:{split}"
            rows = from_frame(_read_hub(source, split), source, origin)
            hashes[origin] = sha256(repr(rows).encode("utf-8", "surrogatepass"))
        else:
            origin = str(folder / split)
            frame, hashes[split] = read_file(folder / split)
            rows = from_frame(frame, source, origin)
        return _Split(origin, rows)

    def drawn(templates: str) -> _Split:
        path, rows = Path(templates), source.template_rows
        frame, hashes[templates] = draw_rows(path, rows, f"{source.name}/{seed}")
        return _Split(templates, from_frame(frame, source, templates))

    train = drawn(source.templates) if source.templates else read(source.train)
    return [train, read(source.dev), read(source.test)], hashes


def _prepare(
    source: DataSource, splits: Sequence[_Split], hashes: dict[str, str], seed: int
) -> DataSet:
    dropped: Counter[str] = Counter()
    train, dev, test = (_readable(split.rows, dropped) for split in splits)
    train = _learnable(train, {*dev.texts, *test.texts}, dropped)
    if source.has_train and not len(train):
        raise DataError(f"{splits[0].origin}: no row is left to train on ({dict(dropped)})")
    if source.has_train and source.dev is None:
        train, dev = _hold_out(train, source, seed)
    if source.train_rows:
        train = train.sample(source.train_rows)
    labels = source.labels or tuple(sorted({*train.labels, *dev.labels, *test.labels}))
    if source.has_train and len(labels) < 2:
        raise DataError(f"{splits[0].origin}: holds one class only: {list(labels)}")
    return DataSet(source, labels, train, dev, test, dict(dropped), hashes)


def _check_labels(split: _Split, known: Sequence[str]) -> None:
    for row, label in enumerate(split.rows.labels, start=1):
        if label and label not in known:
            raise DataError(
                f"{split.origin}: row {row}: unknown label {label!r}; known are {known}"
            )


def _read_hub(source: DataSource, split: str) -> pd.DataFrame:
    import datasets  # takes a second to import, and most runs read files

    try:
        loaded = datasets.load_dataset(source.hub, source.hub_config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"data set {source.hub!r}, split {split!r}: {error}") from error
    frame: pd.DataFrame = loaded.with_format("arrow")[:].to_pandas(types_mapper=pd.ArrowDtype)
    feature = loaded.features.get(source.label_column)
    if isinstance(feature, datasets.ClassLabel):
        # -1 stands for "no label" in data sets whose test labels are kept secret.
        frame[source.label_column] = [
            None if pd.isna(value) or value < 0 else feature.int2str(value)
            for value in frame[source.label_column]
        ]
    return frame


def _readable(rows: Rows, dropped: Counter[str]) -> Rows:
    """Drop rows that lack something, counting each reason."""
    reasons = (
        "without text" if not text.strip()
        else "without label" if not label
        else "not Unicode" if not is_unicode(text)
        else None
        for text, label in zip(rows.texts, rows.labels, strict=True)
    )  # fmt: skip
    return rows.take(kept(reasons, dropped))


def _learnable(rows: Rows, held_out: set[str], dropped: Counter[str]) -> Rows:
    """Drop train rows that would mislead or leak, counting each reason."""
    says: dict[str, set[str]] = {}
    for text, label in zip(rows.texts, rows.labels, strict=True):
        says.setdefault(text, set()).add(label)

    def reasons() -> Iterator[str | None]:
        seen: set[str] = set()
        for text in rows.texts:
            yield (
                "also in dev or test" if text in held_out
                else "labelled in two ways" if len(says[text]) > 1
                else "repeated" if text in seen
                else None
            )  # fmt: skip
            seen.add(text)

    return rows.take(kept(reasons(), dropped))


def _hold_out(train: Rows, source: DataSource, seed: int) -> tuple[Rows, Rows]:
    """Set a random share of train aside as dev, the same for the same seed."""
    order = list(range(len(train)))
    Random(f"{source.name}/{seed}").shuffle(order)
    cut = round(len(order) * source.dev_share)
    return train.take(sorted(order[cut:])), train.take(sorted(order[:cut]))
