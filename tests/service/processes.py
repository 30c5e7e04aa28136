"""A real server in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from threading import Thread

LISTENING = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


class Server:
    """`python -m service serve` on a free port."""

    def __init__(self, models_dir: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "service", "serve", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--models-dir", str(models_dir), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.port = int(self.read_until(LISTENING)[1])

    def read_until(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait for a line of the log."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := pattern.search(line):
                return found
        raise AssertionError(f"the log ended without {pattern.pattern}")

    def drain(self) -> Thread:
        """Read the log on, else a server that logs much waits until somebody reads it."""
        assert self.process.stdout is not None
        reader = Thread(target=deque, args=(self.process.stdout, 0), daemon=True)
        reader.start()
        return reader

    def wait(self) -> tuple[int, str]:
        """The exit code and the rest of the log."""
        log, _ = self.process.communicate(timeout=30)
        return self.process.returncode, log
