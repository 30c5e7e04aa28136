"""POST /predict/stream on a server that really runs, with clients that send and read at will."""

from __future__ import annotations

import json
import select
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.faulty import QUEUE_TEXTS, TEXT, FaultyServer
from tests.service.faulty_server import FAILS
from tests.service.serving import Server, Stream, frame, wait_until

LINES = 20_000  # a million: benchmarks/stream.py
KEPT_BYTES = 8 * 1024 * 1024  # 466 for each line: less than a text with its answer takes
GROWTH_BYTES = 48 * 1024 * 1024
BLOCKED_S = 2.0  # how long nothing moves before a client counts as stopped


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process, whose limit of a body is that of a line."""
    log = tmp_path_factory.mktemp("stream") / "log"
    settings = {"processes": 1, "models": "default,other", "max_body_bytes": 4096}
    with Server(models_dir, log, **settings) as server:
        wait_until(lambda: server.request("GET", "/health/live").status == 200, "the server")
        yield server


@pytest.fixture(scope="module")
def faulty_server(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultyServer]:
    folder = tmp_path_factory.mktemp("faulty")
    settings = {"max_queue_texts": QUEUE_TEXTS, "stream_idle_ms": 60_000, "hang_timeout_s": 60}
    with FaultyServer(models_dir, folder, **settings) as server:
        yield server


def test_lines_are_answered_while_others_are_still_being_sent(server: Server) -> None:
    with Stream(server.port) as stream:
        for half in (range(300), range(300, 600)):
            stream.send(*({"id": number, "text": f"{TEXT} {number}"} for number in half))
            assert [answer["id"] for answer in stream.read(300)] == list(half)
        stream.finish()
        assert stream.read_rest() == []


def test_a_line_gets_the_answer_of_predict(server: Server, models_dir: Path) -> None:
    body = {"inputs": TEXT, "model": "other", "top_k": 1, "raw_scores": True}
    answer = server.request("POST", "/predict", {**body, "inputs": TEXT * 2})
    with Stream(server.port, "?model=other&top_k=1&raw_scores=true") as stream:
        stream.send(TEXT * 2)
        stream.finish()
        assert stream.read_rest() == answer.body["predictions"]


def test_bad_lines_are_marked_in_place(server: Server) -> None:
    with Stream(server.port) as stream:
        stream.send({"text": "good", "id": {"any": ["thing", None]}})
        stream.send_bytes(b"nope\n\n\xff\n" + b'{"text": "' + b"x" * 5000 + b'"}\n')
        stream.send({"text": 5, "id": 7}, {"id": 8}, {"text": "x", "txt": 1}, 9, " ", "\ud800")
        stream.send_bytes(b"[" * 4000 + b"\n" + b'"no newline at the end"')
        stream.finish()
        answers = stream.read_rest()
    assert answers[0]["id"] == {"any": ["thing", None]}
    assert "label" in answers[0]
    assert "label" in answers[-1]
    bad = answers[1:-1]
    assert [answer["line"] for answer in bad] == list(range(2, 13))
    reasons = [(answer["error"]["type"], answer["error"].get("param")) for answer in bad]
    assert reasons == [
        ("malformed_body", None),
        ("malformed_body", None),
        ("malformed_body", None),
        ("too_large", None),
        ("invalid_input", "text"),
        ("invalid_input", "text"),
        ("invalid_input", "txt"),
        ("invalid_input", None),
        ("invalid_input", "text"),
        ("invalid_input", "text"),
        ("malformed_body", None),
    ]
    assert "the limit of 4096 bytes" in bad[3]["error"]["message"]
    assert [answer.get("id") for answer in bad[4:6]] == [7, 8]


@pytest.mark.parametrize(
    ("query", "content_type", "status", "param"),
    [
        ("?model=gpt", "application/x-ndjson", 404, "model"),
        ("?top_k=0", "application/x-ndjson", 422, "top_k"),
        ("?truncated=1", "application/x-ndjson", 422, "truncated"),
        ("", "application/json", 415, None),
    ],
)
def test_a_wrong_request_is_refused_before_it_streams(
    server: Server, query: str, content_type: str, status: int, param: str | None
) -> None:
    headers = {"content-type": content_type}
    answer = server.request("POST", f"/predict/stream{query}", TEXT, headers)
    assert answer.status == status
    assert answer.body["error"].get("param") == param


def test_memory_stays_flat_on_many_lines(server: Server) -> None:
    answered, peak_bytes = 0, 0
    with Stream(server.port) as stream:

        def send_all() -> None:
            for start in range(0, LINES, 1000):
                stream.send(*({"id": n, "text": TEXT} for n in range(start, start + 1000)))
            stream.finish()

        sending = threading.Thread(target=send_all, daemon=True)
        sending.start()
        for line in stream.lines():
            assert line.startswith(b'{"id":%d,"label"' % answered)
            answered += 1
            if answered == LINES // 10:
                peak_bytes = server.peak_bytes()
        sending.join()
    assert answered == LINES
    assert server.peak_bytes() - peak_bytes < KEPT_BYTES


def test_a_reader_that_is_slow_holds_up_its_own_stream_only(server: Server) -> None:
    before_bytes = server.peak_bytes()
    with Stream(server.port, receive_bytes=65_536) as stream:
        lines, rest = send_until_blocked(stream)
        assert server.predict(TEXT).status == 200
        assert server.peak_bytes() - before_bytes < GROWTH_BYTES
        ending = threading.Thread(target=stream.socket.sendall, args=(rest + b"0\r\n\r\n",))
        ending.start()
        answers = stream.read_rest()
        ending.join()
    assert [answer["id"][0] for answer in answers] == list(range(lines))


def send_until_blocked(stream: Stream) -> tuple[int, bytes]:
    """Send lines and read nothing, until nothing more can be sent; how many, and what is left."""
    stream.socket.setblocking(False)
    lines, rest = 0, b""
    while select.select([], [stream.socket], [], BLOCKED_S)[1]:
        while not rest:
            part = "".join(
                json.dumps({"id": [number, "x" * 2000], "text": TEXT}) + "\n"
                for number in range(lines, lines + 10)
            )
            lines, rest = lines + 10, frame(part.encode())
        assert lines < 50_000, "a server that is not read must not go on reading"
        rest = rest[stream.socket.send(rest) :]
    stream.socket.settimeout(60)
    return lines, rest


def test_a_stream_leaves_half_of_the_queue_to_requests(faulty_server: FaultyServer) -> None:
    server = faulty_server
    lines = [f"{TEXT} {number}" for number in range(5 * QUEUE_TEXTS)]
    with Stream(server.port) as stream:
        with server.busy():
            stream.send(*lines)
            server.wait_for(429, [TEXT] * (QUEUE_TEXTS // 2 + 1))
            assert server.predict([TEXT] * (QUEUE_TEXTS // 2), timeout_ms=1).status == 504
        stream.finish()
        answers = stream.read_rest()
    assert len(answers) == len(lines)
    assert all("label" in answer for answer in answers), "none of them is refused for the queue"


def test_a_client_that_stops_half_way_is_dropped_before_its_lines_run(
    faulty_server: FaultyServer,
) -> None:
    server, before = faulty_server, faulty_server.runs()
    with server.busy():
        with Stream(server.port) as stream:
            stream.send(*[TEXT] * 50)
            server.wait_for(429, [TEXT] * (QUEUE_TEXTS // 2 + 1))
        server.wait_for(504, [TEXT] * QUEUE_TEXTS)
    server.predict(TEXT)
    assert server.runs() == before + 2  # the one that held the engine, and the last


def test_an_engine_that_raises_fails_the_lines_of_its_window_alone(
    faulty_server: FaultyServer,
) -> None:
    with Stream(faulty_server.port) as stream:
        stream.send(FAILS)
        (failed,) = stream.read(1)
        assert (failed["line"], failed["error"]["type"]) == (1, "unavailable")
        stream.send(TEXT)
        assert "label" in stream.read(1)[0]


def read_end(stream: Stream) -> Any:
    """The line that ends a stream which is cut short."""
    (end,) = stream.read_rest()
    return end["line"], end["error"]["type"]


def test_a_stream_of_which_nothing_comes_is_ended(models_dir: Path, tmp_path: Path) -> None:
    with Server(models_dir, tmp_path / "log", processes=1, stream_idle_ms=300) as server:
        with Stream(server.port) as stream:
            stream.send(TEXT)
            assert "label" in stream.read(1)[0]
            assert read_end(stream) == (2, "body_timeout")
        with Stream(server.port) as stream:
            stream.send_bytes(b'"half a line')
            assert stream.lines().status == 408


def test_a_server_that_stops_answers_what_it_has_read(models_dir: Path, tmp_path: Path) -> None:
    settings = {"hang_timeout_s": 60, "shutdown_timeout_s": 600, "max_queue_texts": QUEUE_TEXTS}
    with FaultyServer(models_dir, tmp_path, **settings) as server, Stream(server.port) as stream:
        stream.send(TEXT)
        assert "label" in stream.read(1)[0]
        with server.busy():
            stream.send(*[TEXT] * 3)
            server.wait_for(429, [TEXT] * (QUEUE_TEXTS - 2))
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not server.is_ready(), "readiness to end")
        assert all("label" in answer for answer in stream.read(3))
        assert read_end(stream) == (5, "unavailable")
        assert server.process.wait(60) == 0
