"""Imports follow the arrow, from training to the service, and never in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Before any import: forbid what the service must not need, and see what each import starts.
PROBE = """
import os, pkgutil, sys, threading, importlib
for name in ("torch", "training", "onnx", "datasets", "pandas", "sklearn"):
    sys.modules[name] = None
os.environ["SENTIMENT_PORT"] = "no port: reading settings at import would fail"
import service
for module in pkgutil.walk_packages(service.__path__, "service."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert threading.active_count() == 1, threading.enumerate()
"""


@pytest.fixture(scope="module")
def probed() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120
    )


def test_service_imports_neither_torch_nor_training(
    probed: subprocess.CompletedProcess[str],
) -> None:
    assert probed.returncode == 0, probed.stderr


def test_importing_service_says_nothing(probed: subprocess.CompletedProcess[str]) -> None:
    assert probed.stdout == ""


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for half in ("service", "training")
        for path in (ROOT / half).rglob("*.py")
    }
    imported = {name: set(imported_by(path)) & modules.keys() for name, path in modules.items()}
    assert imported["service.formats"] > {"service.tables", "service.parquet"}, "nothing was read"
    TopologicalSorter(imported).prepare()  # raises CycleError, naming the circle


def imported_by(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, also within a function, and perhaps more."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
