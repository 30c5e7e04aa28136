from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from training.cells import (
    Bidirectional,
    Layer,
    RecurrentCell,
    Stack,
    from_torch,
    gru,
    init_state,
    lstm,
    params,
    params_of,
    rnn,
)
from training.config import Cell

TOLERANCE = 1e-10  # in float64; what is promised is 1e-6
OVER_TIME = {"rnn": rnn, "gru": gru, "lstm": lstm}
TORCH: dict[Cell, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

NETWORKS: list[tuple[Cell, dict[str, Any]]] = [
    (cell, {"num_layers": layers, "bidirectional": both})
    for cell, layers, both in itertools.product(TORCH, (1, 2, 3), (False, True))
] + [
    ("lstm", {"num_layers": layers, "bidirectional": both, "proj_size": 2})
    for layers, both in itertools.product((1, 2), (False, True))
]

sizes = st.fixed_dictionaries(
    {name: st.integers(1, 7) for name in ("steps", "batch", "inputs", "units")}
    | {"seed": st.integers(0, 999)}
)


def network(cell: Cell, inputs: int, units: int, seed: int = 0, **fields: Any) -> nn.RNNBase:
    torch.manual_seed(seed)
    made = TORCH[cell](inputs, units, dtype=torch.float64, **fields)
    return made


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def initial(made: nn.RNNBase, batch: int) -> tuple[Tensor, ...]:
    """States (L * D, B, H) as torch takes them: one tensor, for an LSTM two."""
    count = made.num_layers * (2 if made.bidirectional else 1)
    hidden = random(count, batch, made.proj_size or made.hidden_size)
    if made.mode != "LSTM":
        return (hidden,)
    return hidden, random(count, batch, made.hidden_size)


def by_torch(made: nn.RNNBase, inputs: Tensor, state: tuple[Tensor, ...]) -> list[Tensor]:
    """Outputs and final states of torch."""
    outputs, ended = made(inputs, state if made.mode == "LSTM" else state[0])
    return [outputs, *(ended if made.mode == "LSTM" else (ended,))]


def weigh(results: list[Tensor]) -> Tensor:
    """A number that depends on every element, each in its own way."""
    torch.manual_seed(1)
    return torch.stack([(result * torch.randn_like(result)).sum() for result in results]).sum()


def assert_close(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=TOLERANCE)


def assert_same_gradients(
    found: list[Tensor], expected: list[Tensor], leaves: list[Tensor]
) -> None:
    assert_close(
        list(torch.autograd.grad(weigh(found), leaves)),
        list(torch.autograd.grad(weigh(expected), leaves)),
    )


@pytest.mark.parametrize(
    ("cell", "projected"), [("rnn", False), ("gru", False), ("lstm", False), ("lstm", True)]
)
@given(size=sizes)
def test_a_function_has_the_outputs_states_and_gradients_of_torch(
    cell: Cell, projected: bool, size: dict[str, int]
) -> None:
    units = size["units"] + 1
    fields = {"proj_size": units - 1} if projected else {}
    made = network(cell, size["inputs"], units, size["seed"], **fields)
    inputs, start = (
        random(size["steps"], size["batch"], size["inputs"]),
        initial(made, size["batch"]),
    )
    outputs, state, _ = OVER_TIME[cell](inputs, tuple(s[0] for s in start), params_of(made))
    found, expected = [outputs, *(s[None] for s in state)], by_torch(made, inputs, start)
    assert_close(found, expected)
    assert_same_gradients(found, expected, [inputs, *start, *made.parameters()])


@pytest.mark.parametrize(("cell", "fields"), NETWORKS, ids=str)
def test_modules_have_the_outputs_states_and_gradients_of_torch(
    cell: Cell, fields: dict[str, Any]
) -> None:
    made = network(cell, 4, 5, **fields)
    inputs, start = random(6, 3, 4), initial(made, 3)
    hand = from_torch(made)
    read = functional_call(hand, tied(hand, made), (inputs, list(zip(*start, strict=True))))
    found = [read.outputs, *(torch.stack(states) for states in zip(*read.states, strict=True))]
    expected = by_torch(made, inputs, start)
    assert_close(found, expected)
    assert_same_gradients(found, expected, [inputs, *start, *made.parameters()])


def tied(hand: Stack, made: nn.RNNBase) -> dict[str, Tensor]:
    """Weights for the modules that lead gradients back to torch's own."""
    directions = itertools.product(range(made.num_layers), (False, True)[: 1 + made.bidirectional])
    cells = [name for name, module in hand.named_modules() if isinstance(module, RecurrentCell)]
    return {
        f"{cell}.params.{name}": weight
        for cell, (layer, backward) in zip(cells, directions, strict=True)
        for name, weight in params_of(made, layer, backward).items()
    }


@pytest.mark.parametrize(("cell", "fields"), NETWORKS, ids=str)
def test_modules_with_weights_of_their_own_start_at_zero_as_torch_does(
    cell: Cell, fields: dict[str, Any]
) -> None:
    made, inputs = network(cell, 4, 5, **fields), random(6, 3, 4)
    hand = from_torch(made)
    before = made(inputs)[0]
    with torch.no_grad():
        for weight in made.parameters():
            weight.zero_()
    assert_close([hand(inputs).outputs], [before])


@pytest.mark.parametrize("cell", TORCH)
def test_a_net_composed_from_new_weights_learns(cell: Cell) -> None:
    torch.manual_seed(0)

    def layer(inputs: int, units: int) -> Layer:
        return Layer(RecurrentCell(cell, params(cell, inputs, units)))

    net = Stack([Bidirectional(layer(3, 4), layer(3, 4)), layer(8, 5)])
    inputs, target = torch.randn(5, 2, 3), torch.rand(5, 2, 5) - 0.5
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (net(inputs).outputs - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_layers_of_different_cells_and_sizes_stack() -> None:
    net = Stack(
        [
            Layer(RecurrentCell("gru", params("gru", 3, 6))),
            Layer(RecurrentCell("lstm", params("lstm", 6, 5, proj_size=2))),
        ]
    )
    read = net(torch.randn(7, 2, 3))
    assert read.outputs.shape == (7, 2, 2)
    assert [[tuple(part.shape) for part in state] for state in read.states] == [
        [(2, 6)],
        [(2, 2), (2, 5)],
    ]
    assert set(read.traces[0]) == {"reset", "update", "candidate", "hidden"}
    assert read.traces[1]["forget"].shape == (7, 2, 5)


@pytest.mark.parametrize("cell", TORCH)
def test_a_text_read_in_two_parts_ends_as_one_read_whole(cell: Cell) -> None:
    p = params(cell, 3, 4)
    inputs, over_time = torch.randn(9, 2, 3), OVER_TIME[cell]
    whole = over_time(inputs, init_state(cell, 2, p), p)
    first = over_time(inputs[:4], init_state(cell, 2, p), p)
    rest = over_time(inputs[4:], first.state, p)
    assert torch.equal(torch.cat([first.outputs, rest.outputs]), whole.outputs)


def test_too_few_states_are_refused() -> None:
    net = from_torch(network("lstm", 3, 4, num_layers=2))
    states = net(random(2, 1, 3)).states
    with pytest.raises(ValueError, match="one for each layer and direction"):
        net(random(2, 1, 3), states[:1])


def test_what_both_directions_compute_lies_in_the_order_of_the_text() -> None:
    read = from_torch(network("lstm", 3, 4, bidirectional=True))(random(6, 2, 3))
    for trace, outputs in zip(read.traces, read.outputs.chunk(2, dim=-1), strict=True):
        assert torch.equal(trace["hidden"], outputs)


def test_the_cell_state_is_what_the_gates_keep_and_write() -> None:
    p = params("lstm", 3, 4)
    trace = lstm(torch.randn(6, 2, 3), init_state("lstm", 2, p), p).trace
    before = torch.cat([torch.zeros(1, 2, 4), trace["cell"][:-1]])
    kept, written = trace["forget"] * before, trace["input"] * trace["candidate"]
    torch.testing.assert_close(trace["cell"], kept + written)


def test_an_lstm_starts_with_forget_gates_open() -> None:
    assert params("lstm", 3, 4)["b_f"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("cell", TORCH)
def test_weights_start_within_the_range_of_torch(cell: Cell) -> None:
    p = params(cell, 3, 16)
    count = sum(weight.numel() for name, weight in p.items() if name != "b_f")
    values = torch.cat([weight.flatten() for name, weight in p.items() if name != "b_f"])
    assert count > 16 * (3 + 16)
    assert values.abs().max() <= 0.25
    assert values.abs().max() > 0.2


def test_only_an_lstm_is_projected() -> None:
    with pytest.raises(ValueError, match="proj_size needs the cell 'lstm'"):
        params("gru", 3, 4, proj_size=2)


def test_a_text_without_tokens_is_refused() -> None:
    p = params("gru", 3, 4)
    with pytest.raises(ValueError, match="no step"):
        gru(torch.zeros(0, 1, 3), init_state("gru", 1, p), p)


@pytest.mark.parametrize("made", [nn.RNN(3, 4, nonlinearity="relu"), nn.LSTM(3, 4, bias=False)])
def test_a_net_without_a_form_by_hand_is_refused(made: nn.RNNBase) -> None:
    with pytest.raises(ValueError, match="needs tanh and biases"):
        from_torch(made)
