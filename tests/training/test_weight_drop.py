from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from service.bundle import OnnxSpec
from service.engine import OnnxEngine
from tests.training.samples import assert_same_bits, classifier
from training.export import (
    OPSET,
    PARITY_TOLERANCE,
    build_graph,
    largest_difference,
    round_embedding,
)

CELLS = [{"cell": "lstm"}, {"cell": "gru"}, {"cell": "rnn"}, {"cell": "lstm", "proj_size": 3}]
IDS = torch.arange(2, 26).reshape(2, 12)  # (B, T)
LENGTHS = torch.tensor([12, 7])


def by_name(fields: dict[str, object]) -> str:
    return "-".join(map(str, fields.values()))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["one length", "packed"])
@pytest.mark.parametrize("fields", CELLS, ids=by_name)
def test_training_reads_with_other_weights_each_time_and_evaluation_with_all(
    fields: dict[str, object], lengths: Tensor | None
) -> None:
    plain, model = classifier(layers=2, **fields), classifier(layers=2, weight_drop=0.5, **fields)
    whole = plain(IDS, lengths)
    torch.manual_seed(0)
    first, second = model(IDS, lengths), model(IDS, lengths)
    assert not torch.allclose(first, whole)
    assert not torch.allclose(first, second)
    assert torch.equal(model.eval()(IDS, lengths), whole)


@pytest.mark.parametrize("fields", CELLS, ids=by_name)
def test_gradient_reaches_the_weights_that_were_not_dropped(fields: dict[str, object]) -> None:
    model = classifier(weight_drop=0.5, **fields)
    model(IDS).sum().backward()
    rnn = model.encoder.rnn
    for recurrent in (rnn.weight_hh_l0, rnn.weight_hh_l0_reverse):
        assert recurrent.grad is not None
        reached = (recurrent.grad != 0).float().mean()
        assert 0.3 < reached < 0.7
    for other in (rnn.weight_ih_l0, rnn.bias_hh_l0):
        assert other.grad is not None
        assert (other.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize("fields", CELLS, ids=by_name)
def test_weights_are_stored_whole_and_the_graph_agrees(fields: dict[str, object]) -> None:
    model = classifier(weight_drop=0.5, **fields)
    before = deepcopy(model.state_dict())
    model(IDS)
    assert_same_bits(model.state_dict(), before)
    round_embedding(model.eval())
    engine = OnnxEngine(build_graph(model).SerializeToString(), OnnxSpec(opset=OPSET))
    texts = [IDS[0].tolist(), IDS[1, :7].tolist()]
    assert largest_difference(model, engine, texts) <= PARITY_TOLERANCE
