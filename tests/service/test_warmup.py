from __future__ import annotations

from time import perf_counter, thread_time

import numpy as np
import pytest

from service.engine import CPU, CUDA, Float32, Int32
from service.planner import CostModel
from service.warmup import fit_cost, pick_clock
from tests.service.fakes import FakeClock

TRUE = CostModel(fixed_s=1e-4, step_s=6e-6, token_s=7e-6)


class PacedEngine:
    """An engine whose runs take what TRUE says."""

    provider = CPU

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        self._clock.now_s += TRUE.run_s(*ids.shape)
        return np.zeros((len(ids), 2), dtype=np.float32)


def test_the_cost_that_runs_have_is_found() -> None:
    clock = FakeClock()
    found = fit_cost(PacedEngine(clock), 1, clock)
    assert (found.fixed_s, found.step_s, found.token_s) == pytest.approx(
        (TRUE.fixed_s, TRUE.step_s, TRUE.token_s)
    )


def test_cpu_time_counts_where_a_run_is_the_work_of_one_thread() -> None:
    assert pick_clock(CPU, 1) is thread_time
    assert pick_clock(CPU, 2) is perf_counter
    assert pick_clock(CUDA, 1) is perf_counter
