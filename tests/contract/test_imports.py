"""Imports follow the arrow: training may import the service, never the other way."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
