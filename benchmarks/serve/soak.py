"""The service under load for long: what memory it takes, and whether it keeps growing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.serve.load import put_load
from benchmarks.serve.logs import note
from benchmarks.serve.memory import ALL_MB, PROCESS_MB, Weight
from benchmarks.serve.processes import Running
from benchmarks.serve.scenarios import SCENARIOS

LOADS = ("mixed", "bulk", "short")
READY_S = 2.0
"""The bar from start to the first answer."""


@dataclass(frozen=True)
class Moment:
    """What the service took at a time, and what it did just before."""

    minutes: float
    scenario: str
    requests_per_s: float
    largest_mb: float
    all_mb: float


def soak(server: Running, bodies: Path, minutes: float, seconds: int) -> Iterator[Moment]:
    """Put one load after the other, `seconds` of each; `bodies` is the folder of their requests."""
    began_s = time.monotonic()
    number = 0
    while time.monotonic() - began_s < 60 * minutes:
        scenario = SCENARIOS[LOADS[number % len(LOADS)]]
        path = bodies / f"{scenario.name}.jsonl"
        load = put_load(server.port, path, scenario.connections, seconds)
        passed = (time.monotonic() - began_s) / 60
        moment = _describe(passed, scenario.name, load.requests_per_s, server.weigh())
        note(f"{passed:6.1f} min  {moment.largest_mb:6.1f} MB  {moment.all_mb:6.1f} MB in all")
        yield moment
        number += 1


def write_soak(
    moments: Sequence[Moment], ready_s: float, about: dict[str, object], to: Path
) -> str:
    """Write soak.json and soak.md to a folder; return the latter's text."""
    to.mkdir(parents=True, exist_ok=True)
    record = {"about": about, "ready_s": ready_s, "moments": [asdict(m) for m in moments]}
    (to / "soak.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    text = _report(moments, ready_s, about)
    (to / "soak.md").write_text(text, encoding="utf-8")
    return text


def _describe(minutes: float, scenario: str, requests_per_s: float, weight: Weight) -> Moment:
    return Moment(
        minutes=round(minutes, 2),
        scenario=scenario,
        requests_per_s=round(requests_per_s, 1),
        largest_mb=round(weight.largest_mb, 1),
        all_mb=round(weight.all_mb, 1),
    )


def _report(moments: Sequence[Moment], ready_s: float, about: dict[str, object]) -> str:
    tenth = max(1, len(moments) // 10)
    rows = [
        ("resident, largest process (MB)", [m.largest_mb for m in moments], PROCESS_MB),
        ("all processes, shared pages once (MB)", [m.all_mb for m in moments], ALL_MB),
    ]
    lines = [
        "# The service under load for long",
        "",
        f"{moments[-1].minutes:.0f} minutes of {', '.join(LOADS)} in turn; {about['date']}, "
        f"{about['bundle']}, {about['processor']}, {about['cores']} cores.",
        "",
        "| | first tenth | last tenth | most | bar |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, values, bar in rows:
        first, last = median(values[:tenth]), median(values[-tenth:])
        lines.append(f"| {name} | {first:.0f} | {last:.0f} | {max(values):.0f} | {bar:.0f} |")
    lines.append(f"| start to first answer (s) | {ready_s:.2f} | | | {READY_S:.0f} |")
    return "\n".join(lines) + "\n"
