"""`sentiment predict FILE -o OUT`."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.service.faulty_server import GATED
from tests.service.serving import ROOT, wait_until

TEXTS = ["Great, really", "", "味道很差", 'a "quoted"\nline', "x " * 200]
ERRORS = ["", "the text is empty", "", "", "tokens, the limit is 64"]


def run(models_dir: Path, *args: object, stdin: bytes = b"") -> Any:
    arguments = ["predict", *map(str, args), "--models-dir", str(models_dir)]
    return CliRunner().invoke(app, arguments, input=stdin)


def write(path: Path, texts: list[str] = TEXTS) -> Path:
    """A file in the format of its name."""
    rows = [{"id": number, "text": text} for number, text in enumerate(texts)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".xlsx":
        workbook = openpyxl.Workbook()
        for row in [("id", "text"), *(tuple(row.values()) for row in rows)]:
            workbook.active.append(row)
        workbook.save(path)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["id", "text"], delimiter=",\t"[path.suffix == ".tsv"])
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".xlsx":
        header, *rows = openpyxl.load_workbook(path).active.values
        return [dict(zip(header, row, strict=True)) for row in rows]
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return rows
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=",\t"[path.suffix == ".tsv"]))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".xlsx", ".parquet"])
def test_a_file_comes_back_with_its_answers(models_dir: Path, tmp_path: Path, suffix: str) -> None:
    source, output = write(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}"
    result = run(models_dir, source, "-o", output)
    assert result.exit_code == 1, result.output  # since two rows have no answer
    for before, row, reason in zip(read(source), read(output), ERRORS, strict=True):
        assert before.items() <= row.items()
        assert bool(row.get("label")) is not bool(reason)
        assert reason in str(row.get("error") or "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name, output.name]


def test_the_summary_says_what_was_done(models_dir: Path, tmp_path: Path) -> None:
    result = run(models_dir, write(tmp_path / "in.csv"), "-o", tmp_path / "out.csv")
    rows, labels, errors, time = result.stderr.splitlines()
    assert rows == "rows    5, of which 2 have no answer"
    assert sum(int(word) for word in labels.split() if word.isdigit()) == 3
    assert "invalid_input 1 (20.0%)" in errors
    assert "too_large 1 (20.0%)" in errors
    assert "tokens/s" in time
    assert result.stdout == ""


@pytest.mark.parametrize("source", [["-"], []])
def test_standard_input_is_a_file_too(models_dir: Path, tmp_path: Path, source: list[str]) -> None:
    output = tmp_path / "out.csv"
    result = run(models_dir, *source, "-o", output, "--column", "a b", stdin=b"a b\ngood\n")
    assert result.exit_code == 0, result.output
    assert output.read_text().startswith("a b,label,score")


def test_gzip_is_read_from_standard_input_and_written(models_dir: Path, tmp_path: Path) -> None:
    packed, plain = tmp_path / "out.csv.gz", tmp_path / "out.csv"
    content = gzip.compress(b"text\ngood\n")
    for output in (packed, plain):
        assert run(models_dir, "-", "-o", output, stdin=content).exit_code == 0
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    before = packed.read_bytes()
    packed.unlink()
    assert run(models_dir, "-", "-o", packed, stdin=content).exit_code == 0
    assert packed.read_bytes() == before


def test_gzip_and_gbk_are_read(models_dir: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv.gz", tmp_path / "out.csv"
    source.write_bytes(gzip.compress("评论\n好\n".encode("gbk")))
    command = [source, "-o", output, "--column", "评论"]
    refused = run(models_dir, *command)
    assert refused.exit_code == 1
    assert "gb18030" in refused.stderr
    assert run(models_dir, *command, "--encoding", "gb18030").exit_code == 0
    assert output.read_bytes().startswith("评论,label".encode("gbk"))


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["in.csv", "-o", "out.tsv"], "names of the files differ"),
        (["in.csv", "in.csv", "-o", "out.csv"], "give one file"),
        (["in.csv", "-o", "in.csv"], "the output is the input"),
        (["in.csv", "-o", "out.csv", "--top-k", "1"], "a column for every label"),
        (["in.csv", "-o", "out.csv", "--column", "no"], "the file has: id, text"),
        (["missing.csv", "-o", "out.csv"], "missing.csv: No such file"),
        (["-", "-o", "out"], "end in none of .csv"),
        (["in.csv", "-o", "no/out.csv"], "No such file"),
    ],
)
def test_a_wrong_command_is_refused_and_leaves_nothing(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], reason: str
) -> None:
    monkeypatch.chdir(write(tmp_path / "in.csv").parent)
    result = run(models_dir, *args)
    assert result.exit_code in (1, 2)
    assert reason in " ".join(result.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


class Run:
    """`sentiment predict in.csv -o out.csv` whose engine stops at a text, until it is let go."""

    def __init__(self, models_dir: Path, folder: Path) -> None:
        self.partial = folder / "out.csv.partial"
        command = [sys.executable, "-m", "tests.service.faulty_cli", str(folder)]
        paths = [str(folder / "in.csv"), "-o", str(folder / "out.csv")]
        self.process = subprocess.Popen(
            [*command, *paths, "--models-dir", str(models_dir)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell may have told the tests, and so their children, to ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait_for_rows(self) -> None:
        def found() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return self.partial.exists() and self.partial.read_bytes().count(b"\n") > 1

        wait_until(found, "the first rows")

    def end(self) -> tuple[int, str]:
        _, log = self.process.communicate(timeout=90)
        return self.process.returncode, log


@pytest.mark.parametrize(
    ("stop", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(
    models_dir: Path, tmp_path: Path, stop: signal.Signals, status: int
) -> None:
    texts = [f"good {number}" for number in range(1500)]
    texts[1000] = GATED
    write(tmp_path / "in.csv", texts)
    gate, output = tmp_path / "gate", tmp_path / "out.csv"
    command = [tmp_path / "in.csv", "-o", output]
    assert run(models_dir, *command).exit_code == 0
    expected = output.read_bytes()
    output.unlink()

    gate.touch()
    stopped = Run(models_dir, tmp_path)
    stopped.wait_for_rows()
    stopped.process.send_signal(stop)
    gate.unlink()  # a run in a thread is waited for
    assert stopped.end()[0] == status
    assert not output.exists()
    with stopped.partial.open("ab") as partial:
        partial.write(b'{"label":"positive","sco')  # as if killed within a line

    other = run(models_dir, *command, "--truncate")
    assert other.exit_code == 1
    assert "truncate was false and is now true" in other.stderr

    resumed = run(models_dir, *command)
    assert resumed.exit_code == 0
    assert "were there from before" in resumed.stderr
    assert output.read_bytes() == expected
    assert not stopped.partial.exists()


def test_a_changed_input_is_not_mixed_with_the_old_answers(
    models_dir: Path, tmp_path: Path
) -> None:
    write(tmp_path / "in.csv")
    partial = tmp_path / "out.csv.partial"
    partial.write_text('{"version": "0", "input": "0"}\n')
    result = run(models_dir, tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert result.exit_code == 1
    assert f"{partial} is of a run whose version was" in result.stderr
    partial.write_text("somebody else's\n")
    result = run(models_dir, tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert "no file of this program's" in result.stderr
    assert partial.read_text() == "somebody else's\n"


def test_a_terminal_gets_a_bar_with_rate_and_time_left(models_dir: Path, tmp_path: Path) -> None:
    write(tmp_path / "in.csv", ["good"] * 600)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "service", "predict", str(tmp_path / "in.csv")]
    command += ["-o", str(tmp_path / "out.csv"), "--models-dir", str(models_dir)]
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    done = subprocess.run(command, cwd=ROOT, stderr=theirs, env=environment, check=False)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "100%" in shown
    assert "rows/s" in shown
    assert "00:00" in shown
