"""A server as processes of its own: started, waited for, weighed, and ended whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serve.asking import ask
from benchmarks.serve.environments import CHECKOUT
from benchmarks.serve.errors import VariantFailed
from benchmarks.serve.memory import Weight, weigh
from benchmarks.serve.servers.options import HOST

MARK = "BENCHMARK_MARK"
POLL_S = 0.02
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 4.0
LOG_LINES = 5
PASSED_ON = ("PATH", "LANG", "LD_LIBRARY_PATH")
"""Of our own environment; the rest could set up one peer and not another."""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    ready_s: float
    mark: str

    def weigh(self) -> Weight:
        """Memory of its processes."""
        return weigh(_find_marked(self.mark))


def find_free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: list[str], variables: Mapping[str, str], port: int, log: Path
) -> Iterator[Running]:
    """A server that has answered once, and none of its processes afterwards.

    What it writes goes to the folder of its log.
    Raises VariantFailed with the end of its log when it does not come up.
    """
    mark = uuid.uuid4().hex
    inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    folders = {"PYTHONPATH": str(CHECKOUT), "HOME": str(log.parent), "TMPDIR": str(log.parent)}
    environment = {**inherited, **folders, **variables, MARK: mark}
    began_s = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, port, log)
        yield Running(port, time.monotonic() - began_s, mark)
    finally:
        _stop(process, mark)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while (answered := _try(port)) != "200":
        if process.poll() is not None:
            raise VariantFailed(f"ended with status {process.returncode}: {_end_of(log)}")
        if time.monotonic() > deadline_s:
            raise VariantFailed(
                f"not ready within {START_TIMEOUT_S:g} s, last {answered}: {_end_of(log)}"
            )
        time.sleep(POLL_S)


def _try(port: int) -> str:
    """The status of an answer, or why there was none."""
    try:
        return str(ask(port, ["good"]).status)
    except OSError as error:
        return type(error).__name__


def _stop(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ask the server to end; end by force whatever of it is left, also what left its session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    for _ in range(3):  # one may be starting another just now
        for pid in _find_marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_S)
    process.wait(STOP_TIMEOUT_S)


def _find_marked(mark: str) -> list[int]:
    """The processes that carry the mark in their environment, which every child inherits."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it ended meanwhile, or is not ours to read
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return " / ".join(line.strip() for line in lines[-LOG_LINES:])
