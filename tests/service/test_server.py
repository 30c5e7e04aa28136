"""A real server in a process of its own: start, serve, and stop in good order."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.processes import Server

BODY = json.dumps({"inputs": "The room was spotless."}).encode()
HEADERS = f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n"
SHUTTING_DOWN = re.compile("Shutting down")


@pytest.fixture
def server(models_dir: Path) -> Iterator[Server]:
    server = Server(models_dir)
    yield server
    server.process.kill()
    server.process.communicate()


def test_the_server_answers(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    assert json.load(response)["predictions"][0]["label"]
    connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_answered_when_the_server_stops(server: Server, number: int) -> None:
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n{HEADERS}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(head.encode())
        # "Continue" proves that the handler waits for the body: the request is in flight.
        assert client.recv(1024).startswith(b"HTTP/1.1 100")
        server.process.send_signal(number)
        server.read_until(SHUTTING_DOWN)
        client.sendall(BODY)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    code, log = server.wait()
    assert code == 0
    assert "Traceback" not in log


def test_an_idle_server_stops_with_code_0_and_logs_no_text(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
    connection.getresponse().read()
    connection.close()
    server.process.send_signal(signal.SIGTERM)
    code, log = server.wait()
    assert code == 0
    assert "spotless" not in log
    assert "Traceback" not in log


def test_a_port_in_use_is_said_without_a_traceback(server: Server, models_dir: Path) -> None:
    command = [sys.executable, "-m", "service", "serve", "--port", str(server.port)]
    second = subprocess.run(
        [*command, "--models-dir", str(models_dir)], capture_output=True, text=True, timeout=60
    )
    assert second.returncode != 0
    assert "Address already in use" in second.stderr
    assert "Traceback" not in second.stderr
