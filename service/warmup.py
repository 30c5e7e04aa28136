"""What a run costs on this machine, measured at start."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, thread_time

import numpy as np

from service.engine import CPU, Engine
from service.planner import CostModel

SHAPES = ((1, 8), (1, 64), (1, 256), (8, 8), (8, 64), (32, 16), (32, 64))
"""Batch size and length of each run; about 3,500 tokens in all."""

ROUNDS = 3
FLOOR_S = 1e-9

Clock = Callable[[], float]


def pick_clock(provider: str, threads: int) -> Clock:
    """What to measure runs by: the seconds on the CPU of a run that is one thread's work.

    With a busy neighbour at the start, those on the wall made a run seem three times as dear.
    """
    return thread_time if provider == CPU and threads == 1 else perf_counter


def fit_cost(engine: Engine, token_id: int, clock: Clock) -> CostModel:
    """The cost model that fits the measured runs best, relative to each run's time.

    The fastest of several rounds counts, so that a busy moment does not; a term that the
    noise makes negative is taken as next to nothing.
    """
    fastest = np.array([_fastest_s(engine, shape, token_id, clock) for shape in SHAPES])
    terms = np.array([[1.0, length, size * length] for size, length in SHAPES])
    fitted, *_ = np.linalg.lstsq(terms / fastest[:, None], np.ones(len(SHAPES)), rcond=None)
    fixed_s, step_s, token_s = np.maximum(fitted, FLOOR_S).tolist()
    return CostModel(fixed_s, step_s, token_s)


def _fastest_s(engine: Engine, shape: tuple[int, int], token_id: int, clock: Clock) -> float:
    ids = np.full(shape, token_id, dtype=np.int32)
    lengths = np.full(shape[0], shape[1], dtype=np.int32)
    seconds: list[float] = []
    for _ in range(ROUNDS):
        began = clock()
        engine.run(ids, lengths)
        seconds.append(clock() - began)
    return max(min(seconds), FLOOR_S)
