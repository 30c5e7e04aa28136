"""How fast each layer learns, and from when on (Howard & Ruder 2018, ULMFiT)."""

from __future__ import annotations

import re
from collections import defaultdict

from torch import nn

from training.config import TrainingConfig
from training.loop import Group
from training.model import Classifier
from training.plan import Plan

_LAYER = re.compile(r"encoder\.rnn\.\w+_l(\d+)(?:_reverse)?")


def layer_groups(model: Classifier, config: TrainingConfig, plan: Plan) -> list[Group]:
    """The parameters from the head down to the embedding, with their rates and first steps.

    Whatever is neither embedding nor encoder belongs to the head. Each group learns
    `layer_rate_factor` times slower than the one above it, and begins `unfreeze_passes`
    passes after it. They are one group where both are the same for all.
    """
    if config.layer_rate_factor == 1 and not config.unfreeze_passes:
        return [Group(list(model.parameters()), config.learning_rate)]
    layers: dict[int, list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        layers[_depth(name, model.config.layers)].append(parameter)
    steps = config.unfreeze_passes * plan.total_steps / plan.passes
    return [
        Group(
            layers[depth],
            rate=config.learning_rate / config.layer_rate_factor**depth,
            begins=round(depth * steps),
        )
        for depth in sorted(layers)
    ]


def _depth(name: str, layers: int) -> int:
    """Of a parameter's layer below the head."""
    if name.startswith("embedding."):
        return layers + 1
    found = _LAYER.fullmatch(name)
    return layers - int(found[1]) if found else 0
