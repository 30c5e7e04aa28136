"""How many CPUs this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cpus(cpu_max: Path = CGROUP_CPU_MAX) -> int:
    """CPUs that the scheduler and the container's quota leave to this process, at least 1.

    A container limited to 2 CPUs still sees all of its host's: more runs side by side
    than the quota only throttle each other. `cpu_max` is the file of cgroup v2.
    """
    scheduled = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(scheduled or 1, _quota(cpu_max)))


def _quota(cpu_max: Path) -> int:
    unlimited = 2**31
    try:
        quota, period = cpu_max.read_text().split()
    except (OSError, ValueError):
        return unlimited
    return unlimited if quota == "max" else math.ceil(int(quota) / int(period))
