"""A server in processes of its own, and clients that see what really goes over the wire."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

ROOT = Path(__file__).parents[2]
LISTENING = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
PATIENCE_S = 90.0  # for what takes a moment, on however busy a machine
POLL_S = 0.02
T = TypeVar("T")


@dataclass(frozen=True)
class Response:
    """Status, headers by their names in lower case, and JSON body."""

    status: int
    headers: dict[str, str]
    body: Any


class Server:
    """`python -m service serve`, or another module, on a free port with its log in a file."""

    def __init__(
        self, models_dir: Path, log: Path, command: tuple[str, ...] = (), **settings: Any
    ) -> None:
        given = {"models_dir": models_dir, "port": 0, **settings}
        variables = {f"SENTIMENT_{name.upper()}": str(value) for name, value in given.items()}
        self._log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(command or ("service", "serve"))],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **variables},
                cwd=ROOT,
                start_new_session=True,
            )
        try:
            self.port = int(self.wait_for_log(LISTENING)[1])
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End every process of the server at once."""
        for pid in self.members():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_for_log(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait until the log has what `pattern` finds."""

        def find() -> re.Match[str] | None:
            found = pattern.search(self.log)
            assert found or self.process.poll() is None, f"the server ended:\n{self.log}"
            return found

        return wait_until(find, pattern.pattern)

    def members(self) -> list[int]:
        """The processes of the server that run, the watching one included."""
        session = self.process.pid
        return sorted(pid for pid in _processes() if _session(pid) == session)

    def children(self) -> list[int]:
        """The serving processes."""
        return [pid for pid in self.members() if pid != self.process.pid]

    def peak_bytes(self) -> int:
        """The most memory that the serving processes have held, each at its time."""
        peaks = [Path(f"/proc/{pid}/status").read_text() for pid in self.children()]
        return sum(1024 * int(PEAK.findall(status)[0]) for status in peaks)

    def wait_for_children(self, count: int, gone: int | None = None) -> list[int]:
        """Wait until `count` processes serve, and `gone` is none of them."""

        def find() -> list[int]:
            children = self.children()
            return children if len(children) == count and gone not in children else []

        return wait_until(find, f"{count} processes, without {gone}")

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Response:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        content = None if body is None else json.dumps(body).encode()
        connection.request(
            method, path, content, {"content-type": "application/json", **(headers or {})}
        )
        answer = connection.getresponse()
        response = Response(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            json.loads(answer.read()),
        )
        connection.close()
        return response

    def predict(self, inputs: str | list[str], timeout_ms: int | None = None) -> Response:
        headers = {} if timeout_ms is None else {"x-request-timeout-ms": str(timeout_ms)}
        return self.request("POST", "/predict", {"inputs": inputs}, headers)

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/health/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False


class Client:
    """A connection that is kept, for many requests one after the other."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def predict(
        self, inputs: str | list[str], headers: dict[str, str] | None = None
    ) -> Response:
        self._writer.write(predict_bytes(inputs, headers))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        found = {name.lower(): value for name, value in pairs}
        content = await self._reader.readexactly(int(found["content-length"]))
        return Response(int(head[0].split()[1]), found, json.loads(content))


class Stream:
    """A connection to POST /predict/stream, which sends and reads as the test says."""

    def __init__(self, port: int, query: str = "", receive_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_bytes:  # of answers that the system keeps for a client that does not read
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        head = f"POST /predict/stream{query} HTTP/1.1\r\nhost: localhost\r\n"
        head += "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        self.socket.sendall(head.encode())
        self._answer = http.client.HTTPResponse(self.socket, method="POST")
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._answer.close()
        self.socket.close()

    def send(self, *entries: Any) -> None:
        """A line of JSON for each."""
        self.send_bytes("".join(json.dumps(entry) + "\n" for entry in entries).encode())

    def send_bytes(self, part: bytes) -> None:
        self.socket.sendall(frame(part))

    def finish(self) -> None:
        """The end of the body."""
        self.socket.sendall(b"0\r\n\r\n")

    def read(self, count: int) -> list[Any]:
        """The next lines of the answer."""
        return [json.loads(self.lines().readline()) for _ in range(count)]

    def read_rest(self) -> list[Any]:
        """All lines to the end of the answer; raises IncompleteRead for one that was cut off."""
        return [json.loads(line) for line in self.lines().read().splitlines()]

    def lines(self) -> http.client.HTTPResponse:
        """The answer, whose head is read on first use."""
        if not self._begun:
            self._answer.begin()
            self._begun = True
        return self._answer


def frame(part: bytes) -> bytes:
    """A chunk of a body (RFC 9112, 7.1)."""
    return b"%x\r\n%s\r\n" % (len(part), part)


def predict_bytes(inputs: str | list[str], headers: dict[str, str] | None = None) -> bytes:
    """A request to POST /predict as it goes over the wire."""
    content = json.dumps({"inputs": inputs}).encode()
    lines = [
        "POST /predict HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(content)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


def wait_until(condition: Callable[[], T], what: str) -> T:
    """Poll until `condition` holds, and give what it gave."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(POLL_S)
    return result


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _session(pid: int) -> int | None:
    """The session of a process that runs; None for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[3])
