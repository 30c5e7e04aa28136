"""The examples of README and docs/, run against a real server with the shipped model.

Those are every block of Python, and of shell every one that needs nothing but the project; run
files and files of templates are read as training reads them.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.service.serving import PATIENCE_S, Server
from training.config import parse_run
from training.drawing import draw_rows

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLE = re.compile(r"^```(python|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TOML = re.compile(r"^```toml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What other tests do (make, Docker), what does not end, and what trains.
ELSEWHERE = re.compile(
    r"^(make|docker|torchrun|jupyter) |sentiment serve|\.toml"
    r"|python -m benchmarks|/opt/",
    re.MULTILINE,
)
SHELL = """set -euo pipefail
curl() { command curl --fail-with-body "$@"; }
python() { "$PYTHON" "$@"; }
sentiment() { "$PYTHON" -m service "$@"; }
pip() { true; }
"""


def make_workbook() -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in (["编号", "评论"], [1, "味道很好"]):
        book.active.append(row)
    book.save(file)
    return file.getvalue()


YOUR_FILES = {
    "lines.jsonl": b'{"id": 1, "text": "Great value!"}\n"so so"\n',
    "reviews.csv": b"id,review\n1,Great value!\n",
    "reviews.csv.gz": gzip.compress(b"id,text\n1,Great value!\n"),
    "评论.csv": "编号,评论\n1,味道很好\n".encode("gb18030"),
    "评论.xlsx": make_workbook(),
    "my-reviews.csv": b"text,label\n" + b"Great value!,positive\nIt broke.,negative\n" * 5,
    "train.csv": b"text,label\nGreat value!,positive\nIt broke.,negative\n",
    "test.csv": b"text,label\nGreat!,positive\nBroken.,negative\n",
}
"""What the examples read."""


def is_run(language: str, code: str) -> bool:
    commands = [line for line in code.splitlines() if not line.startswith("pip ")]
    return language == "python" or bool(commands and not ELSEWHERE.search(code))


def find_examples() -> Iterator[object]:
    for page in PAGES:
        for number, (language, code) in enumerate(EXAMPLE.findall(page.read_text()), 1):
            if is_run(language, code):
                name = f"{page.relative_to(ROOT)}-{number}"
                yield pytest.param(language, code, id=name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("docs") / "log"
    with Server(ROOT / "models", log, processes=1) as server:
        yield server


@pytest.mark.parametrize(("language", "code"), list(find_examples()))
def test_example(server: Server, tmp_path: Path, language: str, code: str) -> None:
    code = code.replace("localhost:8000", f"127.0.0.1:{server.port}")
    command = [sys.executable, "-W", "error", "-c", code]
    if language == "bash":
        bash = shutil.which("bash")
        assert bash
        command = [bash, "-c", SHELL + code]
    for name, content in YOUR_FILES.items():
        (tmp_path / name).write_bytes(content)
    for folder in ("models", "training"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    # Other tests keep the hub's library off the network; here it asks our own server.
    own = {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    environment = {**os.environ, **own}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout or len(list(tmp_path.iterdir())) > len(YOUR_FILES) + 1


def test_files_of_training_are_read_as_it_reads_them(tmp_path: Path) -> None:
    examples = [example for page in PAGES for example in TOML.findall(page.read_text())]
    runs = [example for example in examples if not is_templates(example)]
    for example in runs:
        assert parse_run({"name": "yours", **tomllib.loads(example)}).data
    for example in filter(is_templates, examples):
        path = tmp_path / "templates.toml"
        path.write_text(example)
        assert len(draw_rows(path, 10, "a")[0]) == 10
    assert 0 < len(runs) < len(examples)


def is_templates(example: str) -> bool:
    return "[[templates]]" in example
