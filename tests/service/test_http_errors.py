"""What the handlers and the middleware make of errors that no bad input provokes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.errors import DeadlineExceeded, Overloaded, RequestError, Unavailable
from service.middleware import BodyLimit, BodyRule, DefectNet
from service.routes.disconnect import while_connected
from service.routes.errors import install_error_handlers
from tests.service.fakes import SECRET

RAISED: dict[str, Exception] = {
    "overloaded": Overloaded("full", retry_after_s=7),
    "unavailable": Unavailable("stopping"),
    "late": DeadlineExceeded("late"),
    "defect": RuntimeError(SECRET),
    "teapot": HTTPException(418, "short and stout", {"x-pot": "yes"}),
    "gone": ClientDisconnect(),
}


@pytest.fixture(scope="module")
def raising() -> Iterator[TestClient]:
    app = FastAPI()
    app.add_middleware(BodyLimit, rule=BodyRule(10, 1000), special={})
    app.add_middleware(DefectNet)
    install_error_handlers(app)

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise RAISED[name]

    @app.post("/ignore")
    async def ignore() -> str:
        return "ok"

    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("overloaded", 429, "overloaded"),
        ("unavailable", 503, "unavailable"),
        ("late", 504, "deadline_exceeded"),
        ("teapot", 418, RequestError.type),
    ],
)
def test_an_error_has_its_status_and_the_one_schema(
    raising: TestClient, name: str, status: int, kind: str
) -> None:
    response = raising.get(f"/raise/{name}")
    assert response.status_code == status
    error = response.json()["error"]
    assert error["type"] == kind
    assert error["message"]


def test_overloaded_says_when_to_come_back(raising: TestClient) -> None:
    assert raising.get("/raise/overloaded").headers["retry-after"] == "7"


def test_headers_of_an_http_exception_are_kept(raising: TestClient) -> None:
    assert raising.get("/raise/teapot").headers["x-pot"] == "yes"


def test_a_defect_is_500_and_neither_answer_nor_log_quotes_it(
    raising: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = raising.get("/raise/defect")
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "internal_error"
    assert SECRET not in response.text + caplog.text
    assert "GET /raise/defect failed with RuntimeError" in caplog.text
    assert "in fail" in caplog.text


def test_nobody_is_answered_when_the_client_went(raising: TestClient) -> None:
    assert raising.get("/raise/gone").status_code == 499


def test_a_body_that_nobody_reads_is_not_refused(raising: TestClient) -> None:
    assert raising.post("/ignore", content=b"x" * 100).status_code == 200


def request_of(*messages: str) -> tuple[Request, asyncio.Event]:
    """A request whose client sends `messages`, the last one when the event is set."""
    last = asyncio.Event()
    rest = list(messages)

    async def receive() -> Any:
        if len(rest) == 1:
            await last.wait()
        return {"type": rest.pop(0)}

    return Request({"type": "http"}, receive), last


@pytest.mark.anyio
async def test_work_is_cancelled_when_the_client_goes() -> None:
    request, gone = request_of("http.request", "http.disconnect")
    cancelled = asyncio.Event()

    async def work() -> None:
        gone.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(ClientDisconnect):
        await while_connected(request, work())
    assert cancelled.is_set()


@pytest.mark.anyio
async def test_work_that_ends_gives_its_result_or_its_error() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> int:
        raise Unavailable("stopping")

    request, _ = request_of("http.disconnect")
    assert await while_connected(request, answer()) == 42
    with pytest.raises(Unavailable):
        await while_connected(request, fail())
