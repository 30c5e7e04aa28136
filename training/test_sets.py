"""The data sets that a bundle is evaluated on: those of a run, or one file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.model import Model
from training.config import read_run
from training.data_config import DataSource
from training.datasets import DataSet, Split, load_data, load_file
from training.errors import ConfigError
from training.evaluate import check_labels

RUN_SUFFIX = ".toml"


def open_test_sets(
    model: Model,
    path: Path,
    *,
    folder: Path = Path(),
    overrides: Mapping[str, str] | None = None,
    file_fields: Mapping[str, Any] | None = None,
    domain_column: str | None = None,
) -> list[DataSet]:
    """The data sets of a run file (`.toml`), or the file at `path` as a set of its own.

    `folder` and `overrides` are for a run; `file_fields`, fields of DataSource, for a
    file. Raises ConfigError when the one is given with the other, DataError for data that
    cannot be read or whose labels the model does not have.
    """
    if path.suffix.lower() == RUN_SUFFIX:
        if file_fields:
            raise ConfigError(f"{', '.join(file_fields)}: only for a data file; {path} is a run")
        run = read_run(path, overrides)
        if domain_column:
            data = tuple(replace(source, domain_column=domain_column) for source in run.data)
            run = replace(run, data=data)
        _, data_sets = load_data(run, folder)
        check_labels(model, data_sets)
        return data_sets
    if overrides:
        raise ConfigError(f"--set {min(overrides)}: only for a run; {path} is a data file")
    source = DataSource(
        name=_name(path), test=str(path), domain_column=domain_column, **(file_fields or {})
    )
    return [load_file(source, model.manifest.labels)]


def sample(data_sets: Sequence[DataSet], split: Split, rows: int) -> list[DataSet]:
    """The sets with at most so many rows in `split`, drawn at random, the same every time."""
    if split == "dev":
        return [replace(d, dev=d.dev.sample(rows)) for d in data_sets]
    return [replace(d, test=d.test.sample(rows)) for d in data_sets]


def _name(path: Path) -> str:
    """What comes before the first dot, as far as a data set's name may hold it."""
    allowed = re.sub(r"[^a-z0-9_-]+", "-", path.name.partition(".")[0].lower())
    return allowed.lstrip("_-")[:64] or "file"
