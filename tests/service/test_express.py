"""The express way, behind uvicorn's protocol but without a network."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from benchmarks.wire import Wire, post
from service.app import create_app
from service.model import Model
from service.records import CLIENT_CLOSED_REQUEST
from service.routes import predict
from service.settings import Settings
from tests.service.fakes import SECRET, GatedEngine

pytestmark = pytest.mark.anyio

GOOD = '{"inputs": ["The room was spotless.", "", "味道很差"]}'
REQUEST = post("/predict", GOOD.encode())
MAX_BODY_BYTES = 2000
EXPRESS, LONG = 1, 2  # pieces that an answer is written in


@pytest.fixture
def engine(model: Model) -> Any:
    return model.engine


@pytest.fixture
async def wire(model: Model, engine: Any, anyio_backend: str) -> AsyncIterator[Wire]:
    settings = Settings(processes=1, max_body_bytes=MAX_BODY_BYTES, inline_ms=0, access_log="all")
    app = create_app(settings, {"default": Model(model.bundle, model.tokenizer, engine)})
    async with app.router.lifespan_context(app) as state:
        wire = Wire(app, dict(state or {}))
        yield wire
        wire.hang_up()


async def ask(wire: Wire, *parts: bytes) -> tuple[int, int, dict[str, str], Any]:
    """Send a request in parts; in how many pieces the answer came, status, headers and body."""
    wire.written.clear()
    for part in parts:
        wire.send(part)
        await asyncio.sleep(0)
    while (answer := parse(b"".join(wire.written))) is None:
        await wire.wait_for_writes(len(wire.written) + 1)
    return len(wire.written), *answer


def parse(answer: bytes) -> tuple[int, dict[str, str], Any] | None:
    """Status, headers and body of an answer, None while some of it is missing."""
    head, end, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    if not end or len(body) < int(headers["content-length"]):
        return None
    return int(status.split()[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], GOOD),
        (["x-request-timeout-ms: 1000"], '{"inputs": "good", "top_k": 1}'),
        (["x-request-timeout-ms: soon"], '{"inputs": "good"}'),
        ([], '{"inputs": "good", "model": "no such"}'),
        ([], '{"inputs": 3}'),
        ([], '{"inputs": "good", "top_k": "3"}'),
        ([], '{"inputs": "\\ud800"}'),
        ([], '\ufeff{"inputs": "good"}'),
        ([], '{"inputs": "good"'),
        ([], "good"),
    ],
)
async def test_an_answer_by_express_is_the_one_of_the_long_way(
    wire: Wire, headers: list[str], body: str
) -> None:
    request = post("/predict", body.encode(), "x-request-id: mine", *headers)
    express, *by_express = await ask(wire, request)
    long, *the_long_way = await ask(wire, request[:-1], request[-1:])
    assert (express, long) == (EXPRESS, LONG)
    for answer in (by_express, the_long_way):
        answer[1].pop("server-timing", None)
    assert by_express == the_long_way
    assert by_express[1]["x-request-id"] == "mine"
    assert by_express[1]["server"] == "uvicorn"


async def test_a_connection_is_kept_unless_the_client_wants_it_closed(wire: Wire) -> None:
    _, _, headers, _ = await ask(wire, REQUEST)
    assert not wire.closed
    assert "connection" not in headers
    _, _, headers, _ = await ask(wire, post("/predict", GOOD.encode(), "connection: close"))
    assert wire.closed
    assert headers["connection"] == "close"


async def test_another_media_type_is_refused(wire: Wire) -> None:
    request = REQUEST.replace(b"application/json", b"text/plain")
    pieces, status, _, _ = await ask(wire, request)
    assert (pieces, status) == (EXPRESS, 415)


async def test_a_body_over_the_limit_takes_the_long_way(wire: Wire) -> None:
    body = json.dumps({"inputs": "x" * MAX_BODY_BYTES}).encode()
    pieces, status, _, answer = await ask(wire, post("/predict", body))
    assert (pieces, status) == (LONG, 413)
    assert str(MAX_BODY_BYTES) in answer["error"]["message"]


async def test_a_proxys_prefix_does_not_matter(model: Model) -> None:
    app = create_app(Settings(processes=1), {"default": model})
    async with app.router.lifespan_context(app) as state:
        wire = Wire(app, dict(state or {}), root_path="/behind/a/proxy")
        pieces, status, _, _ = await ask(wire, REQUEST)
        wire.hang_up()
    assert (pieces, status) == (EXPRESS, 200)


async def test_other_routes_take_the_long_way(wire: Wire) -> None:
    pieces, status, _, _ = await ask(wire, b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (pieces, status) == (LONG, 200)
    _, status, headers, _ = await ask(wire, b"GET /predict HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (status, headers["allow"]) == (405, "post")


async def test_requests_sent_at_once_are_answered_in_their_order(wire: Wire) -> None:
    first, second = (
        post("/predict", b'{"inputs": "good"}', f"x-request-id: {name}") for name in "ab"
    )
    wire.send(first + second)
    await wire.wait_for_writes(2)
    answers = b"".join(wire.written)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.index(b"x-request-id: a") < answers.index(b"x-request-id: b")


async def test_a_slow_reader_is_waited_for(wire: Wire) -> None:
    wire.protocol.pause_writing()
    wire.send(REQUEST)
    for _ in range(100):
        await asyncio.sleep(0.001)
    assert not wire.written
    wire.protocol.resume_writing()
    await wire.wait_for_writes(1)


async def test_a_defect_is_answered_and_logged_without_the_text(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(predict, "describe_reply", fail)
    with caplog.at_level(logging.INFO):
        pieces, status, headers, answer = await ask(wire, REQUEST)
    assert (pieces, status, answer["error"]["type"]) == (EXPRESS, 500, "internal_error")
    assert headers["x-request-id"]
    assert "POST /predict failed with RuntimeError" in caplog.text
    assert SECRET not in caplog.text


class TestAClientThatGoes:
    @pytest.fixture
    def engine(self, model: Model) -> GatedEngine:
        return GatedEngine(model.engine)

    async def test_gets_nothing_and_is_logged_as_gone(
        self, wire: Wire, engine: GatedEngine, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "service.logs"):
            wire.send(REQUEST)
            while not engine.runs:
                await asyncio.sleep(0.001)
            wire.hang_up()
            while not caplog.records:
                await asyncio.sleep(0.001)
        engine.gate.set()
        assert f"POST /predict {CLIENT_CLOSED_REQUEST}" in caplog.records[0].getMessage()
        assert not wire.written
