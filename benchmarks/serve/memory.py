"""What a process takes of memory, and the bars for it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROCESS_MB, ALL_MB = 180.0, 350.0
"""The bars: resident in the largest process, and in all with shared pages counted once."""


@dataclass(frozen=True)
class Memory:
    """Memory of one process in MiB."""

    resident_mb: float
    proportional_mb: float
    """Pages that several processes share, of whatever program, counted in parts (PSS)."""
    shared_mb: float


@dataclass(frozen=True)
class Weight:
    """Memory of all processes of a server in MiB."""

    largest_mb: float
    """Resident in the largest of them."""
    all_mb: float
    """Resident in all, shared pages counted once."""


def read_memory(pid: int) -> Memory:
    """Of one process; zeros for one that has ended."""
    found = dict.fromkeys(("Rss", "Pss", "Shared_Clean", "Shared_Dirty"), 0.0)
    with suppress(OSError):  # it ended meanwhile
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) / 1024
    return Memory(found["Rss"], found["Pss"], found["Shared_Clean"] + found["Shared_Dirty"])


def weigh(pids: Iterable[int]) -> Weight:
    """Of the processes of a server."""
    memory = [read_memory(pid) for pid in pids]
    private_mb = sum(one.resident_mb - one.shared_mb for one in memory)
    # Two lower bounds. The first falls short where another program has the same libraries open.
    proportional_mb = sum(one.proportional_mb for one in memory)
    shared_once_mb = private_mb + max(one.shared_mb for one in memory)
    return Weight(
        largest_mb=max(one.resident_mb for one in memory),
        all_mb=max(proportional_mb, shared_once_mb),
    )
