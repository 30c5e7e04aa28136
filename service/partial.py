"""The answers so far of a run over a file, kept so that it can go on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter

from service.errors import SentimentError
from service.schemas import Answered

ANSWERED: TypeAdapter[Answered] = TypeAdapter(Answered)


class OtherRun(SentimentError):
    """What lies there belongs to a run over another file, or with other options."""


class Partial:
    """A file whose first line says which run it is of; each further one answers a row.

    A row counts once its line is whole: a run that is killed loses at most what it was
    writing. `run` is compared with the first line; OtherRun names the first difference.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self._run = json.loads(json.dumps(run))
        path.touch()
        self._file = path.open("r+b")
        try:
            self.rows = self._resume()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, answers: Sequence[Answered]) -> None:
        """The answers to the next rows; they are there when this returns."""
        lines = [answer.model_dump_json(exclude_none=True) + "\n" for answer in answers]
        self._file.write("".join(lines).encode())
        self._file.flush()
        self.rows += len(answers)

    def answers(self) -> Iterator[Answered]:
        """The answer to each row so far."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                yield ANSWERED.validate_json(line)

    def _resume(self) -> int:
        """How many rows are answered; writing goes on behind them."""
        whole, rows = 0, -1
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            if rows < 0:
                self._compare(line)
            whole += len(line)
            rows += 1
        self._file.seek(whole)
        self._file.truncate()
        if rows < 0:
            self._file.write(json.dumps(self._run).encode() + b"\n")
        return max(0, rows)

    def _compare(self, line: bytes) -> None:
        try:
            other = json.loads(line)
        except ValueError:
            raise OtherRun(f"{self.path} is no file of this program's") from None
        for name, value in self._run.items():
            if (had := other.get(name)) != value:
                raise OtherRun(
                    f"{self.path} is of a run whose {name} was {_short(had)} and is now "
                    f"{_short(value)}; remove it, or write to another file"
                )


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:40]
