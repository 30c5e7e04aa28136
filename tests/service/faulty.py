"""A server whose engine does as the tests say."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service.faulty_server import GATED
from tests.service.serving import PATIENCE_S, Response, Server, wait_until

TEXT = "The room was spotless."
QUEUE_TEXTS = 8


class FaultyServer(Server):
    """One process whose engine takes one text at a time, and fails as the texts say."""

    def __init__(self, models_dir: Path, folder: Path, *arguments: str, **settings: Any) -> None:
        self._gate = folder / "gate"
        self._journal = folder / "journal"
        self._journal.touch()
        self._threads = ThreadPoolExecutor(16)
        command = ("tests.service.faulty_server", str(folder), *arguments)
        given = {"processes": 1, "workers": 1, "max_batch_size": 1, "inline_ms": 0, **settings}
        super().__init__(models_dir, folder / "log", command, **given)

    def runs(self) -> int:
        """How many engine runs have begun."""
        return len(self.batches())

    def batches(self) -> list[list[int]]:
        """The texts' lengths in each engine run that has begun."""
        lines = [line.split() for line in self._journal.read_text().splitlines()]
        return [[int(length) for length in line[1:]] for line in lines if line[0] == "began"]

    def start_predict(self, inputs: str, timeout_ms: int | None = None) -> Future[Response]:
        """Send a request, and go on before it is answered."""
        return self._threads.submit(self.predict, inputs, timeout_ms)

    def start_run(self, inputs: str) -> Future[Response]:
        """Send a request, and go on when the engine, which was idle, runs it."""
        before = self.runs()
        answer = self.start_predict(inputs)
        wait_until(lambda: self.runs() > before or answer.done(), "the run to begin")
        assert not answer.done(), answer.result()
        return answer

    @contextmanager
    def busy(self, inputs: str = GATED) -> Iterator[Future[Response]]:
        """While a text holds the engine: what comes then has to wait."""
        self._gate.touch()
        holding = self.start_run(inputs)
        try:
            yield holding
        finally:
            self._gate.unlink()
        assert holding.result(PATIENCE_S).status == 200

    def fill_queue(self, texts: int, then: int = 1) -> list[Future[Response]]:
        """Send texts one by one, and go on when they wait and `then` more are refused."""
        waiting = [self._threads.submit(self._insist) for _ in range(texts)]
        self.wait_for(429, [TEXT] * then)
        return waiting

    def _insist(self) -> Response:
        """Come back as long as the queue is full: with what `wait_for` sends, it may be."""
        while (answer := self.predict(TEXT)).status == 429:
            pass
        return answer

    def wait_for(self, status: int, inputs: str | list[str] = TEXT) -> None:
        """Wait while the engine is busy: a request gets 429 if the queue is full, else 504."""
        wait_until(lambda: self.predict(inputs, timeout_ms=1).status == status, str(status))
