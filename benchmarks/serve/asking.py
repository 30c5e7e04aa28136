"""One request to a server, and whether its answer is right."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serve.errors import VariantFailed
from benchmarks.serve.scenarios import encode_body
from benchmarks.serve.servers.options import HOST, PATH
from service.model import open_model

TIMEOUT_S = 20
TOLERANCE = 1e-3
CHECKED_TEXTS = (
    "What a lovely little film, I would watch it again and again.",
    "It stopped working after two days and nobody answers my emails.",
    "The parcel arrived on Tuesday.",
    "Good.",
    "房间很干净，服务员也特别热情，下次还会再来。",
    "等了两个小时才送到，菜都凉了，很失望。",
)


@dataclass(frozen=True)
class Reply:
    """A server's answer."""

    status: int
    content: bytes


Expected = dict[str, dict[str, float]]
"""Text -> label -> probability."""


def ask(port: int, texts: Sequence[str]) -> Reply:
    """POST texts. Raises OSError when there is no answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", PATH, encode_body(list(texts)).encode(), headers)
        response = connection.getresponse()
        return Reply(response.status, response.read())
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def expect(bundle: Path) -> Expected:
    """What the bundle itself says of the texts that are checked."""
    model = open_model(bundle)
    rows = model.probabilities(
        model.logits_of_many([model.tokenizer.encode(text) for text in CHECKED_TEXTS])
    )
    labels = model.manifest.labels
    return {
        text: dict(zip(labels, row.tolist(), strict=True))
        for text, row in zip(CHECKED_TEXTS, rows, strict=True)
    }


def check_answers(port: int, expected: Expected) -> None:
    """Ask each text alone and all at once. Raises VariantFailed for a wrong answer."""
    for texts in ([text] for text in expected):
        _check(port, texts, expected)
    _check(port, list(expected), expected)


def check_shape(port: int, texts: int) -> None:
    """Ask where any answer will do. Raises VariantFailed when it has not one per text."""
    _predictions(port, ["good"] * texts)


def settle(port: int) -> None:
    """Wait until the server is done with what a load has left behind.

    Raises VariantFailed when it does not answer again.
    """
    _predictions(port, ["good"])


def _check(port: int, texts: list[str], expected: Expected) -> None:
    for text, prediction in zip(texts, _predictions(port, texts), strict=True):
        scores = expected[text]
        wrong = abs(prediction["score"] - max(scores.values())) > TOLERANCE
        if wrong or scores[prediction["label"]] < max(scores.values()) - TOLERANCE:
            raise VariantFailed(f"{text!r}: answered {prediction}, expected {scores}")


def _predictions(port: int, texts: list[str]) -> list[dict[str, Any]]:
    try:
        reply = ask(port, texts)
    except OSError as error:
        raise VariantFailed(f"no answer: {error}") from error
    if reply.status != 200:
        raise VariantFailed(f"answered {reply.status}: {reply.content[:200]!r}")
    answer = json.loads(reply.content)
    predictions: list[dict[str, Any]] = (
        answer if isinstance(answer, list) else answer["predictions"]
    )
    if len(predictions) != len(texts):
        raise VariantFailed(f"{len(predictions)} answers to {len(texts)} texts")
    return predictions
