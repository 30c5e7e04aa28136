"""A service that runs in a process or a container of its own, and how to wait for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import httpx2 as httpx

POLL_S = 0.02


def find_free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(url: str, timeout_s: float, explain: Callable[[], str]) -> None:
    """Poll until the service says that it is ready; fail with what `explain` says."""
    deadline = time.monotonic() + timeout_s
    while not _is_ready(url):
        assert time.monotonic() < deadline, f"not ready within {timeout_s} s: {explain()}"
        time.sleep(POLL_S)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
