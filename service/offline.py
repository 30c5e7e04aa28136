"""Predicting without a server, over the same pipeline: lines, and whole files."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from service import __version__
from service.bulk import in_order, in_thread, predict_window
from service.catalog import open_models
from service.formats import open_table
from service.model import Model
from service.partial import Partial
from service.pipeline import Pipeline, open_pipeline
from service.progress import Meter, Summary
from service.schemas import Answered, ErrorResponse
from service.settings import Settings
from service.tables import Table, TableOptions, Window, cut_windows

# Nobody else waits here: only the limits of a text still hold, and every run gets a thread.
UNLIMITED = {"max_queue_tokens": 2**62, "max_queue_texts": 2**62, "inline_ms": 0.0}
GZIP = b"\x1f\x8b"
PACKED_LEVEL = 6  # as gzip itself: Python's own default takes twice the time
AHEAD = 8  # windows in flight, so that there is enough to plan from


@dataclass(frozen=True)
class Reading:
    """How texts are read and scored."""

    raw_scores: bool = False
    truncate: bool = False


@dataclass(frozen=True)
class FileJob:
    """A file to be answered, and where the answered one goes."""

    source: Path
    output: Path
    table: TableOptions
    reading: Reading = Reading()

    @property
    def partial(self) -> Path:
        """Where the answers are kept until all are there."""
        return self.output.with_name(self.output.name + ".partial")


async def predict_lines(
    settings: Settings,
    texts: Iterable[str],
    write: Callable[[str], None],
    top_k: int | None = None,
    reading: Reading = Reading(),
) -> bool:
    """Write the answer to each text as a line of JSON; say whether every text had one.

    Raises BundleError or ProviderError when the model cannot be opened.
    """
    all_answered = True
    windows = cut_windows((text, None) for text in texts)
    async with _open_pipeline(settings, open_models(settings)) as pipeline:
        async for _, answers in _answered(pipeline, windows, reading, top_k):
            for answer in answers:
                all_answered = all_answered and not isinstance(answer, ErrorResponse)
                write(answer.model_dump_json(exclude_none=True))
    return all_answered


def predict_file(settings: Settings, job: FileJob, meter: Meter) -> Summary:
    """Write the file with the answers beside its rows, and say what they are.

    The answers are kept in `job.partial` as they come. When the run is stopped, the same
    call goes on behind them, and the output is the same to the byte. Raises OtherRun when
    they are of another file or other options; what `open_table` raises; OSError.
    """
    models = open_models(settings)
    (model,) = models.values()
    with _open_source(job.source) as source:
        open_table(source, job.table)  # before anything is written
    with Partial(job.partial, _describe_run(settings, job, model)) as partial:
        with _open_source(job.source) as source:
            table = open_table(source, job.table)
            asyncio.run(_answer_rest(settings, models, table, job.reading, partial, meter))
        summary = _write_output(job, model.manifest.labels, partial)
    partial.path.unlink()
    return summary


@contextmanager
def local_copy(stream: BinaryIO) -> Iterator[Path]:
    """A temporary file with all of a stream, such as standard input, to be read twice."""
    with NamedTemporaryFile(prefix="sentiment-") as file:
        shutil.copyfileobj(stream, file)
        file.flush()
        yield Path(file.name)


async def _answer_rest(
    settings: Settings,
    models: Mapping[str, Model],
    table: Table,
    reading: Reading,
    partial: Partial,
    meter: Meter,
) -> None:
    async with _open_pipeline(settings, models) as pipeline:
        windows = _skip_rows(table.windows(), partial.rows)
        meter.start()
        async for _, answers in _answered(pipeline, windows, reading):
            partial.append(answers)
            meter.note(answers, table.read)


async def _answered(
    pipeline: Pipeline, windows: Iterator[Window], reading: Reading, top_k: int | None = None
) -> AsyncIterator[tuple[Window, list[Answered]]]:
    async def answer(window: Window) -> list[Answered]:
        return await predict_window(
            pipeline,
            window.texts,
            top_k=top_k,
            raw_scores=reading.raw_scores,
            truncate=reading.truncate,
        )

    async with in_order(in_thread(windows), answer, AHEAD) as answered:
        async for item in answered:
            yield item


@asynccontextmanager
async def _open_pipeline(
    settings: Settings, models: Mapping[str, Model]
) -> AsyncIterator[Pipeline]:
    # One process: its threads share what the machine has.
    settings = settings.model_copy(update={**UNLIMITED, "processes": 1})
    async with open_pipeline(settings, models) as pipeline:
        yield pipeline


def _skip_rows(windows: Iterator[Window], count: int) -> Iterator[Window]:
    """The windows without their first `count` rows, and without what only writing needs."""
    for window in windows:
        if count < len(window.texts):
            yield Window(window.texts[count:], None)
        count = max(0, count - len(window.texts))


def _write_output(job: FileJob, labels: tuple[str, ...], partial: Partial) -> Summary:
    """Bring rows and answers together; the output is there at once and whole."""
    summary, answers = Summary(), partial.answers()
    unfinished = job.output.with_name(job.output.name + ".tmp")
    with _open_source(job.source) as source, _open_sink(unfinished, job.output.suffix) as sink:
        table = open_table(source, job.table)
        writer = table.writer(sink, labels)
        for window in table.windows():
            beside = [next(answers) for _ in window.texts]
            writer.write(window, beside)
            for answer in beside:
                summary.note(answer)
        writer.close()
    os.replace(unfinished, job.output)
    return summary


def _describe_run(settings: Settings, job: FileJob, model: Model) -> dict[str, object]:
    """Everything that the answers depend on."""
    with job.source.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    manifest = model.manifest.model_dump_json().encode()
    return {
        "version": __version__,
        "input": digest,
        "model": hashlib.sha256(manifest).hexdigest(),
        "provider": model.engine.provider,
        "format": job.table.format,
        "column": job.table.column,
        "encoding": job.table.encoding,
        "raw_scores": job.reading.raw_scores,
        "truncate": job.reading.truncate,
        "max_tokens": settings.max_tokens,
        "max_text_chars": settings.max_text_chars,
    }


def _open_source(path: Path) -> BinaryIO:
    # By what it begins with: standard input has no name.
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


@contextmanager
def _open_sink(path: Path, suffix: str) -> Iterator[BinaryIO]:
    with path.open("wb") as file:
        if suffix != ".gz":
            yield file
            return
        # Without name and time, so that the same answers are the same bytes.
        with gzip.GzipFile("", "wb", PACKED_LEVEL, file, mtime=0) as packed:
            yield packed  # type: ignore[misc]
