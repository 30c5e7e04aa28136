"""The part of a run file that says what there is to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]

STRICT = ConfigDict(extra="forbid")
"""A field that there is not is refused, in every table of a run file."""


@dataclass(frozen=True, config=STRICT)
class DataSource:
    """One labelled data set, from files, from the Hugging Face hub, or drawn from templates.

    `train`, `dev` and `test` are paths below the data folder, or, where `hub` names a
    data set, the names of its splits. Without `dev`, a share of train is held out.
    """

    name: Name
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    templates: str | None = None
    """In place of `train`: a file of templates, from the current folder, to draw rows from."""
    template_rows: Positive = 20_000
    train_rows: Positive | None = None
    """At most so many of its train rows, drawn at random."""
    hub: str | None = None
    hub_config: str | None = None
    language: str | None = None
    text_column: str = "text"
    label_column: str = "label"
    rename_labels: Mapping[str, str] = field(default_factory=dict)
    """Label as written in the file -> label of the run."""
    labels: tuple[str, ...] | None = None
    """What the set can say; by default the labels that its train rows hold."""
    dev_share: Share = 0.05
    domain_column: str | None = None
    """Figures are also given by the values of this column, in files that have it."""
    part_of: str | None = None
    """Names the set whose baseline also learns from these rows."""
    taught: bool = True
    """Whether teachers, if there are any, are asked about its rows too."""

    @property
    def has_train(self) -> bool:
        """Whether there are rows to learn from."""
        return self.train is not None or self.templates is not None

    @model_validator(mode="after")
    def _has_a_split(self) -> DataSource:
        if not (self.has_train or self.dev or self.test):
            raise ValueError(f"data set {self.name!r} names none of train, dev, test and templates")
        if self.templates and (self.train or self.hub):
            raise ValueError(f"data set {self.name!r} names templates beside train or hub")
        return self


@dataclass(frozen=True, config=STRICT)
class TextSource:
    """A file of texts without labels; its path starts at the data folder."""

    file: str
    text_column: str = "text"
    language: str | None = None
    sentences: bool = False
    """Whether each sentence counts as a text of its own."""
    spans: Positive | None = None
    """In place of each text, so many runs of its words (n-gram sampling, Tang et al. 2019)."""
    misspelt: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The share of words of Latin letters that are misspelt; teachers read them as they were."""
    rows: Positive | None = None
    """At most so many of them, drawn at random."""


def in_language(named: str | None, wanted: str | None) -> bool:
    """Whether texts may be in the language that is wanted, if any; theirs need not be named."""
    return wanted is None or named in (None, wanted)
