from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.samples import assert_same_bits, classifier, corpus, settings
from training.distributed import World
from training.finetuning import layer_groups
from training.plan import Plan
from training.trainer import Trainer

ALONE = World(rank=0, size=1, device=torch.device("cpu"))


def trainer_of(folder: Path, **fields: object) -> Trainer:
    texts = corpus()
    model, config = classifier(layers=2, pooling=("attention",)), settings(**fields)
    return Trainer(config, model, texts, texts, folder, ALONE, 0, "this run")


def test_each_layer_learns_slower_than_the_one_above_it() -> None:
    model, texts = classifier(layers=2, pooling=("attention",)), corpus()
    config = settings(learning_rate=0.1, layer_rate_factor=2.0)
    head, upper, lower, embedding = layer_groups(model, config, Plan(config, [texts.store], 0, 1))
    assert [group.rate for group in (head, upper, lower, embedding)] == [0.1, 0.05, 0.025, 0.0125]
    assert [group.begins for group in (head, upper, lower, embedding)] == [0, 0, 0, 0]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [{names[id(one)] for one in group.parameters} for group in (head, upper, lower)]
    assert found[0] == {
        *("pool.attention.weight", "pool.attention.bias", "head.weight", "head.bias")
    }
    for layer, group in ((1, found[1]), (0, found[2])):
        assert len(group) == 8
        assert all(f"_l{layer}" in name for name in group)
    assert [names[id(one)] for one in embedding.parameters] == ["embedding.weight"]


def test_layers_that_learn_alike_are_one_group() -> None:
    model, texts, config = classifier(layers=2), corpus(), settings()
    (group,) = layer_groups(model, config, Plan(config, [texts.store], 0, 1))
    assert [*map(id, group.parameters)] == [*map(id, model.parameters())]
    assert (group.rate, group.begins) == (config.learning_rate, 0)


def test_the_rates_are_those_of_the_steps(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, passes=1, average_decay=0.0, layer_rate_factor=1e9)
    before = trainer._model.embedding.weight.detach().clone()
    head = trainer._model.head.weight.detach().clone()
    after = trainer.fit()
    assert (after.head.weight - head).abs().max() > 1e-3
    assert torch.allclose(after.embedding.weight, before, atol=1e-6)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_layers_begin_to_learn_one_after_the_other(tmp_path: Path, share: float) -> None:
    trainer = trainer_of(tmp_path, passes=4, patience=100, unfreeze_passes=share)
    rnn = trainer._model.encoder.rnn
    watched = [rnn.weight_hh_l1, rnn.weight_ih_l0_reverse, trainer._model.embedding.weight]
    seen: list[list[np.ndarray]] = []
    trainer._model.register_forward_hook(
        lambda model, *_: (
            seen.append([w.detach().numpy().copy() for w in watched]) if model.training else None
        )
    )
    trainer.fit()
    steps_per_pass = trainer._plan.steps(0)
    for depth in range(3):
        weights = [each[depth] for each in seen]
        moved = [not np.array_equal(one, weights[0]) for one in weights]
        begins = round((depth + 1) * share * steps_per_pass)
        assert moved == [False] * (begins + 1) + [True] * (len(seen) - begins - 1)


def test_a_run_stopped_while_layers_are_frozen_resumes_to_the_same_bits(tmp_path: Path) -> None:
    fields = {"passes": 4, "patience": 1000, "unfreeze_passes": 1.0, "layer_rate_factor": 2.6}
    whole = trainer_of(tmp_path / "whole", **fields).fit()
    stopped = trainer_of(tmp_path / "part", **fields)
    with pytest.MonkeyPatch.context() as patch:
        # As if killed right after a checkpoint at the end of the second pass.
        patch.setattr(Plan, "total_steps", stopped._plan.starts[2])
        stopped.fit()
    resumed = trainer_of(tmp_path / "part", **fields).fit()
    assert_same_bits(whole.state_dict(), resumed.state_dict())
