"""How many CPUs this process may use, and who goes first on them."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
NICENESS = 5  # a quarter of the CPU beside a thread of niceness 0, and all of it without


def usable_cpus(cpu_max: Path = CGROUP_CPU_MAX) -> int:
    """CPUs that the scheduler and the container's quota leave to this process, at least 1.

    A container limited to 2 CPUs still sees all of its host's: more runs side by side
    than the quota only throttle each other. `cpu_max` is the file of cgroup v2.
    """
    scheduled = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(scheduled or 1, _quota(cpu_max)))


def step_back() -> None:
    """Let the calling thread run behind the others that want the same CPU.

    On Linux, where a thread has a niceness of its own; elsewhere it would be the process's.
    """
    if sys.platform == "linux":
        os.nice(NICENESS)


def _quota(cpu_max: Path) -> int:
    unlimited = 2**31
    try:
        quota, period = cpu_max.read_text().split()
    except (OSError, ValueError):
        return unlimited
    return unlimited if quota == "max" else math.ceil(int(quota) / int(period))
