"""What goes wrong for reasons that the user can mend; the command line prints it in one line."""

from __future__ import annotations

from pydantic import ValidationError


class TrainingError(Exception):
    """Base of the errors below."""


class ConfigError(TrainingError):
    """The run file is malformed; the message names the field."""


class DataError(TrainingError):
    """The data cannot be learnt from; the message names the file, and the row where one is."""


class ExportError(TrainingError):
    """The model cannot be written as ONNX, or the graph does not agree with it."""


def problems(error: ValidationError, whole: str) -> str:
    """Every field that is wrong, and why; `whole` names what all of them belong to."""
    found = error.errors()
    # A tuple counts its valid items only: an item that is wrong makes it too short besides.
    fields = {problem["loc"] for problem in found if problem["type"] != "too_short"}
    parents = {field[:depth] for field in fields for depth in range(len(field))}
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or whole}: {problem['msg']}"
        for problem in found
        if problem["loc"] not in parents
    )
