"""Load on a server, by wrk."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serve.errors import BenchmarkError, NothingAnswered, VariantFailed
from benchmarks.serve.servers.options import HOST, PATH

SCRIPT = Path(__file__).with_name("load.lua")
REQUEST_TIMEOUT_S = 20
SLACK_S = 30


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float


def find_wrk() -> str:
    """The load generator. Raises BenchmarkError when it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise BenchmarkError("wrk is not installed; it is the package `wrk` of Debian and others")
    return found


def put_load(port: int, bodies: Path, connections: int, seconds: int, pause_ms: int = 0) -> Load:
    """Ask the bodies of a file over so many connections, each waiting for its answer.

    Before its next request each pauses for 0 to 2 * `pause_ms`, so that their rate is about the
    same however fast the answers are; no latency counts the pauses.

    Raises VariantFailed when an answer was not 200, or did not come.
    """
    command = [find_wrk(), "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", f"{REQUEST_TIMEOUT_S}s"]
    command += ["--script", str(SCRIPT), f"http://{HOST}:{port}{PATH}", "--"]
    command += [str(bodies), str(pause_ms)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + SLACK_S)
    except subprocess.TimeoutExpired as error:
        raise VariantFailed("wrk did not end") from error
    if ran.returncode:
        raise VariantFailed(f"wrk: {ran.stderr.strip() or ran.stdout.strip()}")
    return _read(json.loads(ran.stdout.splitlines()[-1]))


def _read(seen: dict[str, float]) -> Load:
    if seen["not_200"] or seen["broken"]:
        raise VariantFailed(
            f"{seen['not_200']:.0f} answers were not 200 and {seen['broken']:.0f} did not come"
        )
    if not seen["requests"]:
        raise NothingAnswered(f"no request was answered in {seen['seconds']:.0f} s")
    return Load(seen["requests"] / seen["seconds"], seen["p50_ms"], seen["p99_ms"])
