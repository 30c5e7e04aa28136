"""What it was measured on and with, in words that name no machine."""

from __future__ import annotations

import platform
import time
from pathlib import Path

from benchmarks.serve.versions import PEERS, PINS
from service.bundle import MODEL_FILE, read_bundle
from service.cpus import usable_cpus


def describe_run(bundle: Path, seconds: int, rounds: int) -> dict[str, object]:
    """The head of the report."""
    manifest = read_bundle(bundle).manifest
    size = manifest.run.get("model", {})
    return {
        "date": time.strftime("%Y-%m-%d"),
        "bundle": f"{manifest.name} {manifest.version}",
        "encoder": ", ".join(f"{name} {value}" for name, value in sorted(size.items())),
        "graph_bytes": (bundle / MODEL_FILE).stat().st_size,
        "processor": read_processor(),
        "cores": usable_cpus(),
        "python": platform.python_version(),
        "rounds": f"{rounds} of {seconds} s for each scenario",
        "peers": ", ".join(pin for pins in PEERS.values() for pin in pins),
        "in_all_environments": ", ".join(PINS),
    }


def read_processor() -> str:
    """The processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
