"""The examples of README and docs/, run against a real server with the shipped model.

Those are every block of Python, and of shell every one that starts with curl.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.serving import PATIENCE_S, Server

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLE = re.compile(r"^```(python|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CURL = 'set -euo pipefail; curl() { command curl --fail-with-body "$@"; }\n'

YOUR_FILES = {
    "lines.jsonl": b'{"id": 1, "text": "Great value!"}\n"so so"\n',
    "reviews.csv": b"id,review\n1,Great value!\n",
    "评论.csv": "编号,评论\n1,味道很好\n".encode("gb18030"),
}
"""What the examples read."""


def find_examples() -> Iterator[object]:
    for page in PAGES:
        for number, (language, code) in enumerate(EXAMPLE.findall(page.read_text()), 1):
            if language == "python" or code.startswith("curl "):
                name = f"{page.relative_to(ROOT)}-{number}"
                yield pytest.param(language, code, id=name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("docs") / "log"
    with Server(ROOT / "models", log, processes=1) as server:
        yield server


@pytest.mark.parametrize(("language", "code"), list(find_examples()))
def test_example(server: Server, tmp_path: Path, language: str, code: str) -> None:
    assert "localhost:8000" in code
    code = code.replace("localhost:8000", f"127.0.0.1:{server.port}")
    command = [sys.executable, "-W", "error", "-c", code]
    if language == "bash":
        bash = shutil.which("bash")
        assert bash
        command = [bash, "-c", CURL + code]
    for name, content in YOUR_FILES.items():
        (tmp_path / name).write_bytes(content)
    # Other tests keep the hub's library off the network; here it asks our own server.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout or len(list(tmp_path.iterdir())) > len(YOUR_FILES)
