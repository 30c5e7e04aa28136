"""Labelled texts drawn from templates, the way CheckList writes tests (Ribeiro et al. 2020)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from random import Random
from typing import Annotated

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.bundle import sha256
from training.errors import DataError, problems

SLOT = re.compile(r"\{(\w+)\}")
Phrases = Annotated[list[str], Field(min_length=1)]


class Template(BaseModel):
    """Patterns of one phenomenon; every further key is a label with its patterns."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Phrases]

    phenomenon: str

    @property
    def patterns(self) -> dict[str, Phrases]:
        """Label -> its patterns."""
        return self.__pydantic_extra__


class TemplateFile(BaseModel):
    """Templates, and the phrases that fill their slots."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slots: dict[str, Phrases] = {}
    templates: Annotated[list[Template], Field(min_length=1)]


def draw_rows(path: Path, rows: int, seed: str) -> tuple[pd.DataFrame, str]:
    """Rows (`text`, `label`, `phenomenon`) of a file of templates, and its SHA-256.

    For each row a template is drawn, then one of its labels, one of that label's patterns, and
    a phrase for every slot in it; rows may repeat. They are the same for the same seed. Raises
    DataError naming the file and what is wrong: no TOML, a field, a slot that is unknown or
    holds itself.
    """
    try:
        content = path.read_bytes()
        file = TemplateFile.model_validate(tomllib.loads(content.decode()))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise DataError(f"{path}: {problems(error, 'file')}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not TOML: {error}") from error
    _check(file, path)
    random = Random(seed)
    drawn = []
    for _ in range(rows):
        template = random.choice(file.templates)
        label = random.choice(list(template.patterns))
        pattern = random.choice(template.patterns[label])
        text = " ".join(_fill(pattern, file.slots, random).split())
        drawn.append((text, label, template.phenomenon))
    return pd.DataFrame(drawn, columns=["text", "label", "phenomenon"]), sha256(content)


def _fill(pattern: str, slots: Mapping[str, Phrases], random: Random) -> str:
    return SLOT.sub(lambda slot: _fill(random.choice(slots[slot[1]]), slots, random), pattern)


def _check(file: TemplateFile, path: Path) -> None:
    for template in file.templates:
        if not template.patterns:
            raise DataError(f"{path}: the template {template.phenomenon!r} has no label")
    held = {name: _slots_in(phrases) for name, phrases in file.slots.items()}
    in_patterns = [
        _slots_in(patterns) for each in file.templates for patterns in each.patterns.values()
    ]
    for name in sorted(set().union(*held.values(), *in_patterns)):
        if name not in file.slots:
            raise DataError(f"{path}: unknown slot {{{name}}}; known are {sorted(file.slots)}")
    try:
        TopologicalSorter(held).prepare()
    except CycleError as error:
        raise DataError(f"{path}: a slot holds itself: {' -> '.join(error.args[1])}") from error


def _slots_in(phrases: Phrases) -> set[str]:
    return {name for phrase in phrases for name in SLOT.findall(phrase)}
