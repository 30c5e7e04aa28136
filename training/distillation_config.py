"""The part of a run file that says who teaches the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from training.data_config import STRICT

LONGEST = 512
"""Tokens that a transformer reads of a text at most: as many as most of them have places for."""


@dataclass(frozen=True, config=STRICT)
class TeacherConfig:
    """One teacher: a bundle, or a sequence classifier of Hugging Face transformers."""

    bundle: str | None = None
    """Its folder, from the current one."""
    hugging_face: str | None = None
    """A name on the hub, or a folder, from the current one."""
    language: str | None = None
    """It is not asked about texts of other languages; by default it knows them all."""
    min_characters: Annotated[int, Field(ge=1)] = 1
    """It is not asked about shorter texts."""
    max_characters: Annotated[int, Field(ge=1)] | None = None
    """It is not asked about longer texts."""
    max_tokens: Annotated[int, Field(ge=4, le=LONGEST)] | None = None
    """Of a text that a transformer reads; by default as many as it can, up to LONGEST."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Of what it says, in the average over the teachers of a text."""
    rename_labels: Mapping[str, str] = field(default_factory=dict)
    """The teacher's label -> label of the run; the probabilities of several to one add up."""
    leave_out: tuple[str, ...] = ()
    """Labels of the teacher that the run does not have: it is asked given that it is another."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> TeacherConfig:
        if (self.bundle is None) == (self.hugging_face is None):
            raise ValueError("a teacher names either bundle or hugging_face")
        if self.bundle and self.max_tokens:
            raise ValueError("max_tokens is for hugging_face: a bundle reads texts whole")
        if self.max_characters and self.max_characters < self.min_characters:
            raise ValueError(
                f"max_characters {self.max_characters} is less than "
                f"min_characters {self.min_characters}"
            )
        return self


@dataclass(frozen=True, config=STRICT)
class DistillationConfig:
    """What the network learns beside, or instead of, the labels (Hinton et al. 2015)."""

    teachers: tuple[TeacherConfig, ...] = ()
    """Several are averaged."""
    folds: Annotated[int, Field(ge=0, le=100)] = 0
    """In place of teachers: networks like the run's own, each trained without a fold of the rows,
    label that fold (and together the unlabelled texts)."""
    temperature: Annotated[float, Field(gt=0, le=20)] = 2.0
    hard_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Of the label, where a text has one; the teacher has the rest."""

    @model_validator(mode="after")
    def _has_one_source(self) -> DistillationConfig:
        if bool(self.teachers) == bool(self.folds):
            raise ValueError("distillation names either teachers or folds")
        if self.folds == 1:
            raise ValueError("distillation.folds must be at least 2")
        return self
