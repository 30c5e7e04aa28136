from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.cpus import usable_cpus


@pytest.mark.parametrize(("content", "most"), [("100000 100000", 1), ("20000 100000", 1)])
def test_usable_cpus_heeds_the_quota_of_a_container(
    tmp_path: Path, content: str, most: int
) -> None:
    cpu_max = tmp_path / "cpu.max"
    cpu_max.write_text(content)
    assert usable_cpus(cpu_max) == most


@pytest.mark.parametrize("content", ["max 100000", "nonsense"])
def test_usable_cpus_without_a_quota_is_what_the_scheduler_gives(
    tmp_path: Path, content: str
) -> None:
    cpu_max = tmp_path / "cpu.max"
    cpu_max.write_text(content)
    assert 1 <= usable_cpus(cpu_max) <= (os.cpu_count() or 1)
    assert usable_cpus(cpu_max) == usable_cpus(tmp_path / "missing")
