"""Fixtures of the training tests: one thread, and one tiny run trained once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"  # read when `datasets` is first imported

from tests.training.samples import options, write_project
from training.cli import app

# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny networks are faster on one thread, and subprocesses with one give the same bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with run.toml, its data, and what `train` made of them; not to be changed."""
    folder = tmp_path_factory.mktemp("project")
    run_file = write_project(folder)
    app(["train", str(run_file), *options(folder)], standalone_mode=False)
    return folder
