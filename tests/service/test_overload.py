"""Floods, deadlines, clients that leave and engines that fail, on a server that really runs."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.faulty import QUEUE_TEXTS, TEXT, FaultyServer
from tests.service.faulty_server import FAILS, GATED, HANGS, SLOW
from tests.service.serving import (
    PATIENCE_S,
    Client,
    Response,
    predict_bytes,
    wait_until,
)
from tests.tiny import make_bundle


@pytest.fixture(scope="module")
def shared_server(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultyServer]:
    folder = tmp_path_factory.mktemp("overload")
    settings = {"max_queue_texts": QUEUE_TEXTS, "body_timeout_ms": 300, "hang_timeout_s": 60}
    with FaultyServer(models_dir, folder, **settings) as server:
        yield server


@pytest.fixture
def server(shared_server: FaultyServer) -> Iterator[FaultyServer]:
    """A server whose one process is to live through it all, and to be well at the end."""
    before = shared_server.wait_for_children(1)
    yield shared_server
    assert shared_server.is_ready()
    assert shared_server.predict([TEXT] * QUEUE_TEXTS).status == 200  # all fit: the queue is empty
    assert shared_server.children() == before


@pytest.fixture
def hang_timeout_s() -> int:
    return 5


@pytest.fixture
def mortal_server(models_dir: Path, tmp_path: Path, hang_timeout_s: int) -> Iterator[FaultyServer]:
    settings = {"hang_timeout_s": hang_timeout_s, "shutdown_timeout_s": 600, "max_queue_texts": 2}
    with FaultyServer(models_dir, tmp_path, **settings) as server:
        yield server


def test_an_engine_that_raises_fails_its_batch_alone(server: FaultyServer) -> None:
    """It is onnxruntime itself that raises, over a token that is in no vocabulary."""
    before = server.predict(TEXT)
    with server.busy():
        doomed = server.start_predict(FAILS)
        others = [server.start_predict(TEXT) for _ in range(3)]
    assert doomed.result().status == 503
    assert doomed.result().body["error"]["type"] == "unavailable"
    assert [other.result().body for other in others] == [before.body] * 3


def test_a_request_that_is_late_gets_504_and_frees_the_queue(server: FaultyServer) -> None:
    before = server.runs()
    with server.busy():
        late = [server.start_predict(f"{TEXT} {TEXT}", 500) for _ in range(QUEUE_TEXTS)]
        assert {answer.result().status for answer in late} == {504}
        assert "no answer within 500 ms" in late[0].result().body["error"]["message"]
        server.wait_for(504)
    server.predict(TEXT)
    assert server.runs() == before + 2  # the one that held the engine, and the last


def test_a_request_without_a_deadline_has_the_one_that_is_set(
    models_dir: Path, tmp_path: Path
) -> None:
    settings = {"timeout_ms": 500, "hang_timeout_s": 60, "max_queue_texts": 1}
    with FaultyServer(models_dir, tmp_path, **settings) as server:
        hanging = server.start_predict(HANGS)
        wait_until(lambda: server.runs() == 1, "the run to begin")
        for _ in range(3):  # the queue holds one text: each leaves it for the next
            late = server.predict(TEXT)
            assert late.status == 504
            assert "no answer within 500 ms" in late.body["error"]["message"]
        assert hanging.result(PATIENCE_S).status == 504
        assert server.runs() == 1


def test_a_request_of_many_batches_is_split_and_answered_whole(
    models_dir: Path, tmp_path: Path
) -> None:
    texts = [" ".join([TEXT] * (1 + number % 3)) for number in range(1024)]
    settings = {"max_batch_size": 16, "max_batch_tokens": 256, "hang_timeout_s": 60}
    with FaultyServer(models_dir, tmp_path, **settings) as server:
        alone = {text: server.predict(text).body["predictions"] for text in set(texts)}
        answer = server.predict(texts)
        assert answer.status == 200
        assert answer.body["predictions"] == [alone[text][0] for text in texts]
        batches = server.batches()[len(alone) :]
    assert sum(map(len, batches)) == len(texts)
    assert all(len(batch) <= 16 and len(batch) * max(batch) <= 256 for batch in batches)


def test_a_client_that_leaves_is_dropped_before_its_texts_run(server: FaultyServer) -> None:
    before = server.runs()
    with server.busy():
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(predict_bytes([TEXT] * QUEUE_TEXTS))
            server.wait_for(429)
        server.wait_for(504)
    server.predict(TEXT)
    assert server.runs() == before + 2  # as above


def test_a_full_queue_refuses_whole_requests_and_says_when_to_come_back(
    server: FaultyServer,
) -> None:
    with server.busy():
        waiting = server.fill_queue(QUEUE_TEXTS - 1, then=2)
        refused = server.predict([TEXT] * 2)
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert refused.body["error"]["type"] == "overloaded"
        assert server.predict(TEXT, timeout_ms=1).status == 504  # one still fits
        assert server.is_ready()
    assert {answer.result().status for answer in waiting} == {200}


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "1e3", "1_000", "", "9" * 20])
def test_a_deadline_that_is_no_number_is_refused_by_its_name(
    server: FaultyServer, value: str
) -> None:
    headers = {"x-request-timeout-ms": value}
    answer = server.request("POST", "/predict", {"inputs": TEXT}, headers)
    assert answer.status == 422
    assert answer.body["error"]["param"] == "X-Request-Timeout-Ms"


def test_a_body_that_stops_coming_gets_408(server: FaultyServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
        client.sendall(predict_bytes(TEXT)[:-5])
        answer = b"".join(iter(lambda: client.recv(65536), b""))  # until the server closes
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"body_timeout"' in answer


def test_a_flood_is_answered_in_full_and_leaves_no_trace(server: FaultyServer) -> None:
    """Ten times as many requests at once as run and wait, from clients that come right back."""
    expected = server.predict(f"{TEXT}{SLOW}").body

    async def flood(number: int) -> list[Response]:
        headers = {"x-request-timeout-ms": "60"} if number % 3 == 0 else {}
        async with Client(server.port) as client:
            return [await client.predict(f"{TEXT}{SLOW}", headers) for _ in range(6)]

    async def flood_all() -> list[Response]:
        async with asyncio.timeout(PATIENCE_S):
            answers = await asyncio.gather(*(flood(number) for number in range(10 * QUEUE_TEXTS)))
        return [answer for some in answers for answer in some]

    answers = asyncio.run(flood_all())
    counts = Counter(answer.status for answer in answers)
    assert set(counts) == {200, 429, 504}, counts
    for answer in answers:
        if answer.status == 200:
            assert answer.body == expected
        if answer.status == 429:
            assert int(answer.headers["retry-after"]) >= 1


def test_a_long_text_that_runs_holds_up_no_short_one(
    tokenizer_model: bytes, tmp_path: Path
) -> None:
    make_bundle(tmp_path / "models" / "default", tokenizer_model, max_tokens=8192)
    # A text of 8,000 tokens is expected to take 56 ms, a short one well below 1 ms.
    settings = {"inline_ms": 8, "max_batch_size": 64, "hang_timeout_s": 60}
    with FaultyServer(tmp_path / "models", tmp_path, **settings) as server:
        alone = server.predict(TEXT)
        with server.busy(GATED + " the" * 4000) as long:
            answers = [server.predict(TEXT) for _ in range(50)]
            assert not long.done()
        assert [answer.body for answer in answers] == [alone.body] * 50
        assert 8000 <= long.result().body["predictions"][0]["tokens"] <= 8192


def test_a_hanging_engine_is_noticed_and_its_process_replaced(mortal_server: FaultyServer) -> None:
    server = mortal_server
    (hanging,) = server.wait_for_children(1)
    for answer in [server.start_run(HANGS), *server.fill_queue(2)]:
        assert answer.result(PATIENCE_S).status == 503
        assert "hangs" in answer.result().body["error"]["message"]
    server.wait_for_children(1, gone=hanging)
    wait_until(server.is_ready, "readiness")
    assert server.predict(TEXT).status == 200
    assert "hangs for over 5 s" in server.log


def test_a_probe_finds_an_engine_that_hangs(models_dir: Path, tmp_path: Path) -> None:
    with FaultyServer(models_dir, tmp_path, "probe", hang_timeout_s=2) as server:
        (hanging,) = server.wait_for_children(1)
        assert not server.is_ready()
        server.wait_for_children(1, gone=hanging)


def test_a_hang_on_the_event_loop_is_noticed_too(models_dir: Path, tmp_path: Path) -> None:
    with FaultyServer(models_dir, tmp_path, hang_timeout_s=2, inline_ms=1000) as server:
        (hanging,) = server.wait_for_children(1)
        with pytest.raises((OSError, http.client.HTTPException)):
            server.predict(HANGS)
        server.wait_for_children(1, gone=hanging)
        assert server.predict(TEXT).status == 200


def test_a_server_stops_in_good_order_though_an_engine_hangs(mortal_server: FaultyServer) -> None:
    server = mortal_server
    assert server.predict(HANGS, timeout_ms=500).status == 504  # nobody waits, and yet it runs
    assert server.stop() == 0


@pytest.mark.parametrize("hang_timeout_s", [60])
def test_a_server_that_stops_takes_nothing_new_and_answers_what_it_has(
    mortal_server: FaultyServer,
) -> None:
    server = mortal_server
    with server.busy() as running:
        waiting = server.fill_queue(2)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not server.is_ready(), "readiness to end")
        assert not running.done()
    assert [answer.result(PATIENCE_S).status for answer in waiting] == [200, 200]
    assert server.process.wait(PATIENCE_S) == 0


def test_on_cuda_where_nothing_forks_a_hang_ends_the_server(
    models_dir: Path, tmp_path: Path
) -> None:
    """For Docker, or whatever runs the server, to start it again."""
    with FaultyServer(models_dir, tmp_path, "cuda", hang_timeout_s=2) as server:
        assert server.children() == []
        assert server.predict(HANGS).status == 503
        assert server.process.wait(PATIENCE_S) == 70
