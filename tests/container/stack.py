"""A started service: its container, its address, and how long it takes to be ready."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.container.docker import Docker
from tests.live import POLL_S, wait_until_ready

START_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Stack:
    """The one container of the compose file, and where it answers."""

    docker: Docker
    container: str
    url: str

    def inspect(self) -> dict[str, Any]:
        return self.docker.inspect(self.container)

    def execute(self, *command: str) -> str:
        """Run a command inside; raises AssertionError with what it said when it fails."""
        return self.docker.run("exec", self.container, *command)

    def wait_until_ready(self) -> None:
        """Poll the published port until the service says that it is ready."""
        logs = ("logs", self.container)
        wait_until_ready(self.url, START_TIMEOUT_S, lambda: self.docker.run(*logs))

    def wait_until_checked(self, timeout_s: float) -> str:
        """The HEALTHCHECK's verdict once it is no longer `starting`."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = str(self.inspect()["State"]["Health"]["Status"])
            if status != "starting" or time.monotonic() > deadline:
                return status
            time.sleep(POLL_S)

    def measure_start(self) -> float:
        """Stop it, start it again, and return the seconds from the process's start to ready."""
        self.docker.run("stop", self.container)
        self.docker.run("start", self.container)
        self.wait_until_ready()
        ready_at = datetime.now(UTC)
        return (ready_at - _parse_time(self.inspect()["State"]["StartedAt"])).total_seconds()


def _parse_time(text: str) -> datetime:
    # Docker gives nanoseconds, which datetime does not read.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
