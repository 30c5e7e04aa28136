"""A virtual environment for each peer, made by pip on first use and when its pins change."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from benchmarks.serve.errors import BenchmarkError
from benchmarks.serve.versions import MODEL, PEERS, PINS, PLOT

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "benchmarks" / ".venvs"
SERVICE = "service"
"""The environment of the service itself and of the endpoint that does nothing."""

PLOTTING = "plot"
STAMP = ".installed"
INSTALL_TIMEOUT_S = 1800


def python_of(name: str) -> Path:
    """The interpreter of an environment, which is made when it is missing or outdated.

    Raises BenchmarkError when pip fails.
    """
    folder = FOLDER / name
    python = folder / "bin" / "python"
    wanted = _fingerprint(name)
    stamp = folder / STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        _install(folder, python, requirements(name))
        stamp.write_text(wanted)
    return python


def requirements(name: str) -> tuple[str, ...]:
    """What pip is asked for: for the service what pyproject.toml says, else what the table does."""
    if name == PLOTTING:
        return PLOT
    if name != SERVICE:
        return (*PEERS[name], *MODEL)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    return tuple(project["project"]["dependencies"])


def _fingerprint(name: str) -> str:
    lines = (sys.version, *requirements(name), *PINS)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _install(folder: Path, python: Path, wanted: tuple[str, ...]) -> None:
    venv.EnvBuilder(clear=True, with_pip=True).create(folder)
    pins = folder / "constraints.txt"
    pins.write_text("\n".join(PINS) + "\n")
    command = [str(python), "-m", "pip", "install", "-qq", "--constraint", str(pins), *wanted]
    try:
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(f"{folder.name}: pip failed ({error})") from error
