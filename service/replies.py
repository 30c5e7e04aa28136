"""What a request is answered with, before it takes the form of a route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from service.errors import RequestError
from service.postprocess import Scored
from service.texts import Encoded


class Outcome(NamedTuple):
    """One text's answer, and how the text was read."""

    scored: Scored
    encoded: Encoded


class Timing(NamedTuple):
    """Where the time of a request went."""

    tokenize_s: float
    queue_s: float
    infer_s: float
    total_s: float


@dataclass(frozen=True)
class Reply:
    """The answers in the order of the texts; a text that has none has its error.

    The errors bear no `param`: only the caller knows the names of its fields.
    """

    model: str
    items: list[Outcome | RequestError]
    timing: Timing
