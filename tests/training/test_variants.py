from __future__ import annotations

import pytest

from training.config import ModelConfig
from training.errors import ConfigError
from training.variants import VARIANTS, choose_variants

BASE = ModelConfig(embedding_size=12, hidden_size=10, head_dropout=0.2)


def test_the_variants_are_different_networks_with_names_of_their_own() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    networks = [variant.of(BASE) for variant in VARIANTS]
    assert len(set(map(repr, networks))) == len(networks)


def test_every_cell_direction_depth_projection_and_pooling_is_there() -> None:
    networks = [variant.of(BASE) for variant in VARIANTS]
    assert {(n.cell, n.bidirectional) for n in networks} == {
        (cell, both) for cell in ("rnn", "gru", "lstm") for both in (False, True)
    }
    assert {n.layers for n in networks} == {1, 2}
    assert {n.proj_size for n in networks} == {0, 5}
    alone = {n.pooling[0] for n in networks if len(n.pooling) == 1}
    assert alone == {"last", "mean", "max", "attention"}


def test_sizes_and_dropout_stay_the_runs() -> None:
    for network in (variant.of(BASE) for variant in VARIANTS):
        assert (network.embedding_size, network.hidden_size) == (12, 10)
        assert network.head_dropout == 0.2


def test_a_projection_of_one_unit_is_refused_by_name() -> None:
    (projected,) = choose_variants(["bilstm-projected"])
    with pytest.raises(ConfigError, match=r"model\.hidden_size: bilstm-projected needs 2 units"):
        projected.of(ModelConfig(hidden_size=1))


def test_variants_are_chosen_by_pattern_in_their_own_order() -> None:
    assert choose_variants([]) == list(VARIANTS)
    chosen = choose_variants(["rnn-last", "bigru*"])
    assert [variant.name for variant in chosen] == ["bigru", "bigru-2", "rnn-last"]


def test_a_pattern_that_fits_nothing_is_named() -> None:
    with pytest.raises(ConfigError, match="--only: 'cnn' fits none of rnn, gru, lstm,"):
        choose_variants(["rnn", "cnn"])
