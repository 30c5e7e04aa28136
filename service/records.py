"""What is known of one request while it is answered: for its log line and its trace."""

from __future__ import annotations

import os
import random
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from service.errors import RequestError

CLIENT_CLOSED_REQUEST = 499  # nginx's number; only the access log sees it
SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(slots=True)
class RequestRecord:
    """One request. The stages that answer it, in whatever task, fill in what they know."""

    id: str
    status: int = 0
    texts: int = 0
    tokens: int = 0
    refusal: str | None = None
    """The type of the error that the request as a whole was answered with."""
    span: Any = None
    """Its OpenTelemetry span, where it is traced."""
    trace_id: str | None = None


current_record: ContextVar[RequestRecord | None] = ContextVar("current_record", default=None)
"""The record of the request that a task works for."""


def note_cut_short(error: RequestError | None = None) -> None:
    """The answer to the current request has begun and ends too early: its client has gone,
    or `error` is the reason."""
    if record := current_record.get():
        record.status = CLIENT_CLOSED_REQUEST if error is None else record.status
        record.refusal = error.type if error else None


class RequestIds:
    """The name of each request: the client's own where it is sane, else a random one."""

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))  # made after the fork, so never the same

    def choose(self, proposed: bytes | None) -> str:
        """`proposed` is the header X-Request-Id; whatever could forge a log line is not taken."""
        if proposed and SANE_ID.fullmatch(proposed):
            return proposed.decode("ascii")
        return f"{self._random.getrandbits(128):032x}"
