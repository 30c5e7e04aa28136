"""The package, installed into a fresh environment in another folder, and served from there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.live import find_free_port, wait_until_ready

pytestmark = [pytest.mark.install, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
READY_TIMEOUT_S = 60.0
TEXTS = ["A lovely little film, warm and funny.", "味道很差,再也不会来了。"]


@dataclass(frozen=True)
class Installed:
    """A fresh environment that holds the package, and a folder to start from."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "venv" / "bin"

    def ask_python(self, code: str) -> str:
        command = [str(self.bin / "python"), "-c", code]
        done = subprocess.run(
            command, cwd=self.folder, env=_environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install .` into an environment of its own."""
    installed = Installed(tmp_path_factory.mktemp("elsewhere"))
    venv.create(installed.folder / "venv", with_pip=True)
    _pip(installed.bin / "python", "install", str(ROOT))
    return installed


@pytest.fixture
def served(installed: Installed) -> Iterator[str]:
    """The address of `sentiment serve`, started in the other folder."""
    port = find_free_port()
    command = [str(installed.bin / "sentiment"), "serve", "--port", str(port)]
    started = time.monotonic()
    with subprocess.Popen(command, cwd=installed.folder, env=_environment()) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, READY_TIMEOUT_S, lambda: f"exit status {process.poll()}")
            print(f"\nstart to ready: {time.monotonic() - started:.2f} s")
            yield url
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def test_wheel_holds_the_default_bundle_and_the_page(tmp_path: Path) -> None:
    _pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT))

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "service/models/default/manifest.json" in names
    assert "service/models/default/model.onnx" in names
    assert {f"service/web/{path.name}" for path in (ROOT / "service/web").iterdir()} <= set(names)
    assert not [name for name in names if name.startswith("tests")]


def test_installed_package_stands_alone(installed: Installed) -> None:
    where = installed.ask_python("import service; print(service.__file__)")

    assert Path(where).is_relative_to(installed.folder)


def test_installed_package_has_no_torch(installed: Installed) -> None:
    find = "import importlib.util as u; print([n for n in ('torch', 'onnx') if u.find_spec(n)])"

    assert installed.ask_python(find) == "[]"


def test_installed_command_serves_the_default_bundle(served: str) -> None:
    answer = httpx.post(f"{served}/predict", json={"inputs": TEXTS}, timeout=30)

    assert answer.status_code == 200, answer.text
    labels = [prediction["label"] for prediction in answer.json()["predictions"]]
    assert labels == ["positive", "negative"]


def _environment() -> dict[str, str]:
    """This process's, without what leads Python to the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", *arguments]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
