"""Serving processes that are killed, stopped or frozen, and the one that watches over them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.serving import PATIENCE_S, ROOT, Client, Server, wait_until

HANG_TIMEOUT_S = 4.0
TEXT = "The room was spotless."
LISTENS = "0A"  # the state in /proc/net/tcp
ALWAYS_FAILS = """
import sys
from service.heartbeat import Heartbeats
from service.supervisor import ServerError, listen, supervise

try:
    supervise(lambda slot, sock: sys.exit(3), listen("127.0.0.1", 0, 2), Heartbeats(2), 60, 60)
except ServerError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def server(models_dir: Path, tmp_path: Path) -> Iterator[Server]:
    settings = {"processes": 2, "hang_timeout_s": HANG_TIMEOUT_S, "shutdown_timeout_s": 600}
    with Server(models_dir, tmp_path / "log", **settings) as server:
        wait_until(server.is_ready, "readiness")
        yield server


def listening_inodes(port: int) -> set[str]:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {line[9] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == LISTENS}


def open_inodes(pid: int) -> set[str]:
    links = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    return {link[8:-1] for link in links if link.startswith("socket:[")}


async def predict_on_many_connections(server: Server, count: int) -> set[int]:
    """The statuses; of so many connections, each process gets some."""

    async def predict() -> int:
        async with asyncio.timeout(PATIENCE_S), Client(server.port) as client:
            return (await client.predict(TEXT)).status

    return set(await asyncio.gather(*(predict() for _ in range(count))))


def test_a_killed_process_is_replaced_however_often(server: Server) -> None:
    survivor = server.children()[0]
    for _ in range(6):  # more often than a process may fail to start
        (victim,) = set(server.children()) - {survivor}
        os.kill(victim, signal.SIGKILL)
        server.wait_for_children(2, gone=victim)
        assert asyncio.run(predict_on_many_connections(server, 20)) == {200}
    assert survivor in server.children()
    assert server.stop() == 0


def test_a_silent_process_is_replaced_and_new_connections_wait_for_it(server: Server) -> None:
    victim = server.children()[0]
    os.kill(victim, signal.SIGSTOP)
    assert asyncio.run(predict_on_many_connections(server, 40)) == {200}
    server.wait_for_children(2, gone=victim)
    assert "silent for over 4 s" in server.log


def test_a_process_holds_no_socket_of_another(server: Server) -> None:
    victim = server.children()[0]
    os.kill(victim, signal.SIGKILL)
    server.wait_for_children(2, gone=victim)
    assert asyncio.run(predict_on_many_connections(server, 20)) == {200}
    listening = listening_inodes(server.port)
    assert len(listening) == 2
    held = [open_inodes(pid) & listening for pid in server.children()]
    assert [len(inodes) for inodes in held] == [1, 1]
    assert held[0] != held[1]


def test_processes_stop_when_the_one_that_watches_is_killed(server: Server) -> None:
    server.process.kill()
    wait_until(lambda: not server.members(), "the end of all processes")
    assert not listening_inodes(server.port)
    assert "Traceback" not in server.log


def test_a_server_stops_in_good_order_though_a_process_is_silent(server: Server) -> None:
    os.kill(server.children()[0], signal.SIGSTOP)
    assert server.stop() == 0  # long before the time is up that requests in flight would get
    assert server.members() == []


def test_nobody_is_replaced_when_everything_stood_still(server: Server) -> None:
    """As when a container is paused, or the machine sleeps."""
    before = server.children()
    for pid in [server.process.pid, *before]:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(HANG_TIMEOUT_S + 1)  # the one thing that is to be shown is that time passes
    for pid in [server.process.pid, *before]:
        os.kill(pid, signal.SIGCONT)
    assert asyncio.run(predict_on_many_connections(server, 20)) == {200}
    assert server.children() == before


def test_a_server_whose_processes_cannot_start_gives_up() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ALWAYS_FAILS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == 1
    assert "ended 5 times before it was up" in ended.stderr
