"""How far a run over a file is: a bar on a terminal, and a summary at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from service.schemas import Answered, ErrorResponse


@dataclass
class Summary:
    """What a run did."""

    rows: int = 0
    tokens: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def note(self, answer: Answered) -> None:
        """One more row."""
        self.rows += 1
        if isinstance(answer, ErrorResponse):
            self.errors[answer.error.type] += 1
        else:
            self.labels[answer.label] += 1
            self.tokens += answer.tokens

    def rate(self) -> str:
        """Rows and tokens a second."""
        seconds = max(self.seconds, 1e-9)
        return f"{self.rows / seconds:,.0f} rows/s, {self.tokens / seconds:,.0f} tokens/s"


def describe_summary(whole: Summary, now: Summary) -> str:
    """Some lines about all rows; `now` is what this run did of them."""
    lines = [f"rows    {whole.rows:,}, of which {whole.errors.total():,} have no answer"]
    if now.rows < whole.rows:
        lines[0] += f"; {whole.rows - now.rows:,} were there from before"
    for title, counted in (("labels", whole.labels), ("errors", whole.errors)):
        shares = [f"{name} {n:,} ({n / whole.rows:.1%})" for name, n in counted.most_common()]
        if shares:
            lines.append(f"{title}  {', '.join(shares)}")
    lines.append(f"time    {now.seconds:,.1f} s, {now.rate()}")
    return "\n".join(lines)


class Meter:
    """Counts what a run does, and shows it."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=1.0, rate="")
        self._began_s = 0.0
        self.summary = Summary()

    def start(self) -> None:
        """The first rows are about to be read."""
        self._began_s = perf_counter()

    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return perf_counter() - self._began_s

    def note(self, answers: list[Answered], read: float) -> None:
        """These rows are answered, and `read` of the file is read, from 0 to 1."""
        for answer in answers:
            self.summary.note(answer)
        self.summary.seconds = self.elapsed_s()
        self._bar.update(self._task, completed=read, rate=self.summary.rate())


@contextmanager
def open_meter() -> Iterator[Meter]:
    """A bar with rate and time left on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(
        *columns,
        TimeRemainingColumn(compact=True),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        yield Meter(bar)
