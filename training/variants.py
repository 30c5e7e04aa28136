"""The encoders and poolings that `compare` sets side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from training.config import Cell, ModelConfig, Pooling
from training.errors import ConfigError


@dataclass(frozen=True)
class Variant:
    """A name, and what it sets in a run's network; sizes and dropout stay the run's."""

    name: str
    cell: Cell
    bidirectional: bool = True
    layers: int = 1
    pooling: tuple[Pooling, ...] = ("max", "mean")
    projected: bool = False
    """To half as many units as the cell has."""

    def of(self, base: ModelConfig) -> ModelConfig:
        """The run's network with this encoder and pooling.

        Raises ConfigError where there are too few units to project.
        """
        if self.projected and base.hidden_size < 2:
            raise ConfigError(f"model.hidden_size: {self.name} needs 2 units at least")
        return replace(
            base,
            cell=self.cell,
            bidirectional=self.bidirectional,
            layers=self.layers,
            pooling=self.pooling,
            proj_size=base.hidden_size // 2 if self.projected else 0,
        )


VARIANTS = (
    # Which cell, in one direction and in two.
    Variant("rnn", "rnn", bidirectional=False),
    Variant("gru", "gru", bidirectional=False),
    Variant("lstm", "lstm", bidirectional=False),
    Variant("birnn", "rnn"),
    Variant("bigru", "gru"),
    Variant("bilstm", "lstm"),
    # Deeper, and narrower.
    Variant("bigru-2", "gru", layers=2),
    Variant("bilstm-2", "lstm", layers=2),
    Variant("bilstm-projected", "lstm", projected=True),
    # Which pooling; `bilstm` has max and mean.
    Variant("bilstm-last", "lstm", pooling=("last",)),
    Variant("bilstm-mean", "lstm", pooling=("mean",)),
    Variant("bilstm-max", "lstm", pooling=("max",)),
    Variant("bilstm-attention", "lstm", pooling=("attention",)),
    # The textbook's reader: one direction, all that is known of a text in its last state.
    Variant("rnn-last", "rnn", bidirectional=False, pooling=("last",)),
    Variant("gru-last", "gru", bidirectional=False, pooling=("last",)),
    Variant("lstm-last", "lstm", bidirectional=False, pooling=("last",)),
)


def choose_variants(patterns: Sequence[str]) -> list[Variant]:
    """The variants whose name fits one of the patterns (`bilstm*`); all without patterns.

    Raises ConfigError for a pattern that fits none.
    """
    names = [variant.name for variant in VARIANTS]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(f"--only: {pattern!r} fits none of {', '.join(names)}")
    return [
        variant
        for variant in VARIANTS
        if not patterns or any(fnmatchcase(variant.name, pattern) for pattern in patterns)
    ]
