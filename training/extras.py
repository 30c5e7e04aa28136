"""Packages of the optional extras, imported where they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from training.errors import ConfigError


def import_extra(module: str, extra: str, wanted_by: str) -> Any:
    """A module of a package that an extra brings.

    Raises ConfigError, naming the extra and who needs it, where the package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{wanted_by} needs the extra `{extra}` (pip install '.[{extra}]'): "
            f"no module {error.name}"
        ) from error
