from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.errors import DeadlineExceeded, Unavailable
from service.model import Model
from service.probe import Probe
from tests.service.fakes import BrokenEngine, FakeClock, GatedEngine

pytestmark = pytest.mark.anyio

IN_TIME_MS = 60_000


def with_engine(model: Model, engine: Any) -> Model:
    return Model(model.bundle, model.tokenizer, engine)


async def test_models_that_answer_pass_again_and_again(models: dict[str, Model]) -> None:
    probe = Probe(models, FakeClock())
    for _ in range(2):
        await probe.run(IN_TIME_MS)
    await probe.close()


async def test_the_model_that_does_not_answer_is_named(models: dict[str, Model]) -> None:
    probe = Probe({**models, "other": with_engine(models["other"], BrokenEngine())}, FakeClock())
    with pytest.raises(Unavailable, match="model other does not answer"):
        await probe.run(IN_TIME_MS)
    await probe.close()


async def test_probes_share_a_run_and_its_length_is_known(model: Model) -> None:
    engine, clock = GatedEngine(model.engine), FakeClock()
    probe = Probe({"default": with_engine(model, engine)}, clock)
    probes = [asyncio.create_task(probe.run(IN_TIME_MS)) for _ in range(100)]
    await asyncio.to_thread(engine.entered.wait)
    clock.now_s = 12.0
    assert probe.running_s() == 12.0
    engine.gate.set()
    await asyncio.gather(*probes)
    assert probe.running_s() == 0.0
    assert engine.runs == 1
    await probe.close()


async def test_whoever_asks_after_one_that_gave_up_shares_its_run(model: Model) -> None:
    engine = GatedEngine(model.engine)
    probe = Probe({"default": with_engine(model, engine)}, FakeClock())
    with pytest.raises(DeadlineExceeded, match="no answer within 1 ms"):
        await probe.run(1)
    after = asyncio.create_task(probe.run(IN_TIME_MS))
    await asyncio.sleep(0)
    engine.gate.set()
    await after
    assert engine.runs == 1
    await probe.close()
