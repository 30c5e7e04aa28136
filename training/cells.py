"""RNN, LSTM and GRU by hand, one step of their equations after the other.

Made to be read and to check the fast ones against: equal to `nn.RNN`, `nn.LSTM` and
`nn.GRU` in outputs, final states and gradients. docs/recurrent-networks.md explains
them. First as functions (`params`, `init_state`, `lstm`), then as modules that compose:

    RecurrentCell -> Layer -> Bidirectional -> Stack

Sizes in the comments: T steps, B texts, E inputs, H units, P units once projected. Texts
are rows, so x (B, E) meets W (E, H) as x @ W. All texts of a batch are T long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.config import Cell

Params = Mapping[str, Tensor]
State = tuple[Tensor, ...]
"""(h,), or for an LSTM (h, c): h (B, H), or (B, P) when projected, and c (B, H)."""
Trace = dict[str, Tensor]
"""What a step computes, by name: (B, H), or (T, B, H) over a text."""
Step = Callable[[Tensor, State], tuple[State, Trace]]

GATES: dict[Cell, str] = {"rnn": "h", "gru": "rzn", "lstm": "ifgo"}
"""The letters of each cell's gates, in the order of torch's weights."""


def params(cell: Cell, input_size: int, hidden_size: int, proj_size: int = 0) -> dict[str, Tensor]:
    """Weights to train, uniform in ±1/sqrt(H), under the names that the equations use.

    For each gate k `W_xk` (E, H), `W_hk` (H, H) and `b_k` (H,); for a GRU `b_hn` (H,) too;
    for a projected LSTM `W_p` (H, P), with `W_hk` (P, H). An LSTM's `b_f` is 1, so that
    memory lasts from the start (Jozefowicz et al. 2015). Raises ValueError for a
    projection of another cell.
    """
    if proj_size and cell != "lstm":
        raise ValueError("proj_size needs the cell 'lstm'")
    shapes: dict[str, tuple[int, ...]] = {}
    for k in GATES[cell]:
        shapes[f"W_x{k}"] = (input_size, hidden_size)
        shapes[f"W_h{k}"] = (proj_size or hidden_size, hidden_size)
        shapes[f"b_{k}"] = (hidden_size,)
    if cell == "gru":
        shapes["b_hn"] = (hidden_size,)
    if proj_size:
        shapes["W_p"] = (hidden_size, proj_size)
    bound = hidden_size**-0.5
    p = {name: torch.empty(shape).uniform_(-bound, bound) for name, shape in shapes.items()}
    if cell == "lstm":
        p["b_f"].fill_(1)
    return {name: weight.requires_grad_() for name, weight in p.items()}


def init_state(cell: Cell, batch: int, p: Params) -> State:
    """Nothing read yet: zeros."""
    recurrent = p[f"W_h{GATES[cell][0]}"]  # (H, H), or (P, H) when projected
    h, c = (recurrent.new_zeros(batch, size) for size in recurrent.shape)
    return (h, c) if cell == "lstm" else (h,)


def rnn_step(x: Tensor, state: State, p: Params) -> tuple[State, Trace]:
    """The simple recurrent net (Elman 1990): x (B, E) -> h (B, H)."""
    (h,) = state
    h = torch.tanh(x @ p["W_xh"] + h @ p["W_hh"] + p["b_h"])
    return (h,), {"hidden": h}


def lstm_step(x: Tensor, state: State, p: Params) -> tuple[State, Trace]:
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al.
    2000), and a projection where there is `W_p` (Sak et al. 2014): x (B, E) -> h (B, H or P).
    """
    h, c = state
    i = torch.sigmoid(x @ p["W_xi"] + h @ p["W_hi"] + p["b_i"])  # input gate (B, H)
    f = torch.sigmoid(x @ p["W_xf"] + h @ p["W_hf"] + p["b_f"])  # forget gate (B, H)
    g = torch.tanh(x @ p["W_xg"] + h @ p["W_hg"] + p["b_g"])  # candidate (B, H)
    o = torch.sigmoid(x @ p["W_xo"] + h @ p["W_ho"] + p["b_o"])  # output gate (B, H)
    c = f * c + i * g  # cell state (B, H): keep some of the old, add some of the new
    h = o * torch.tanh(c)  # hidden state (B, H): show some of it
    if "W_p" in p:
        h = h @ p["W_p"]  # (B, P)
    return (h, c), {"input": i, "forget": f, "candidate": g, "output": o, "cell": c, "hidden": h}


def gru_step(x: Tensor, state: State, p: Params) -> tuple[State, Trace]:
    """The gated recurrent unit (Cho et al. 2014), reset after the product as in cuDNN:
    x (B, E) -> h (B, H).
    """
    (h,) = state
    r = torch.sigmoid(x @ p["W_xr"] + h @ p["W_hr"] + p["b_r"])  # reset gate (B, H)
    z = torch.sigmoid(x @ p["W_xz"] + h @ p["W_hz"] + p["b_z"])  # update gate (B, H)
    n = torch.tanh(x @ p["W_xn"] + p["b_n"] + r * (h @ p["W_hn"] + p["b_hn"]))  # candidate
    h = z * h + (1 - z) * n  # hidden state (B, H): where z is 1 the old one stays
    return (h,), {"reset": r, "update": z, "candidate": n, "hidden": h}


STEPS: dict[Cell, Callable[[Tensor, State, Params], tuple[State, Trace]]] = {
    "rnn": rnn_step,
    "gru": gru_step,
    "lstm": lstm_step,
}


class Unrolled(NamedTuple):
    """One cell over a text."""

    outputs: Tensor
    """h after each step: (T, B, H)."""
    state: State
    """After the last step."""
    trace: Trace


def unroll(step: Step, inputs: Tensor, state: State) -> Unrolled:
    """Take a step for each of the T inputs (T, B, E). Raises ValueError for no input."""
    if not len(inputs):
        raise ValueError("inputs: there is no step to take")
    outputs: list[Tensor] = []
    traces: list[Trace] = []
    for x in inputs:  # (B, E)
        state, trace = step(x, state)
        outputs.append(state[0])
        traces.append(trace)
    return Unrolled(
        torch.stack(outputs),
        state,
        {name: torch.stack([trace[name] for trace in traces]) for name in traces[0]},
    )


def rnn(inputs: Tensor, state: State, p: Params) -> Unrolled:
    """The simple net over inputs (T, B, E), from a state to a state."""
    return unroll(lambda x, state: rnn_step(x, state, p), inputs, state)


def lstm(inputs: Tensor, state: State, p: Params) -> Unrolled:
    """The LSTM over inputs (T, B, E), from a state to a state."""
    return unroll(lambda x, state: lstm_step(x, state, p), inputs, state)


def gru(inputs: Tensor, state: State, p: Params) -> Unrolled:
    """The GRU over inputs (T, B, E), from a state to a state."""
    return unroll(lambda x, state: gru_step(x, state, p), inputs, state)


class Reading(NamedTuple):
    """Layers over a text. `states` and `traces` go layer by layer, forward before backward."""

    outputs: Tensor
    """Of the top layer, directions side by side: (T, B, D * H)."""
    states: list[State]
    traces: list[Trace]
    """In the order of the text, for both directions."""


class RecurrentCell(nn.Module):
    """One step with weights of its own: x (B, E) and a state -> the next state."""

    def __init__(self, cell: Cell, weights: Params) -> None:
        super().__init__()
        self.cell = cell
        self.params = nn.ParameterDict(
            {name: nn.Parameter(weight.detach().clone()) for name, weight in weights.items()}
        )

    def init_state(self, batch: int) -> State:
        return init_state(self.cell, batch, dict(self.params))

    def forward(self, x: Tensor, state: State) -> tuple[State, Trace]:
        return STEPS[self.cell](x, state, dict(self.params))


class Layer(nn.Module):
    """A cell over time: (T, B, E) -> (T, B, H). Starts at zero, or at the first of `states`."""

    def __init__(self, cell: RecurrentCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, inputs: Tensor, states: Sequence[State] | None = None) -> Reading:
        if states is None:
            states = [self.cell.init_state(inputs.shape[1])]
        elif not states:
            raise ValueError("states: too few, there must be one for each layer and direction")
        outputs, state, trace = unroll(self.cell, inputs, states[0])
        return Reading(outputs, [state], [trace])


class Bidirectional(nn.Module):
    """One layer reads forward, another backward (Schuster & Paliwal 1997): (T, B, 2 * H)."""

    def __init__(self, ahead: Layer, back: Layer) -> None:
        super().__init__()
        self.ahead, self.back = ahead, back

    def forward(self, inputs: Tensor, states: Sequence[State] | None = None) -> Reading:
        ahead = self.ahead(inputs, states)
        back = read_backward(self.back, inputs, _rest(states, 1))
        return Reading(
            torch.cat([ahead.outputs, back.outputs], dim=-1),
            ahead.states + back.states,
            ahead.traces + back.traces,
        )


class Stack(nn.Module):
    """Layers, each reading the outputs of the one below: (T, B, E) -> (T, B, D * H)."""

    def __init__(self, layers: Sequence[Layer | Bidirectional]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, inputs: Tensor, states: Sequence[State] | None = None) -> Reading:
        below = Reading(inputs, [], [])
        for layer in self.layers:  # each takes its states from the front of those left
            above = layer(below.outputs, _rest(states, len(below.states)))
            below = Reading(above.outputs, below.states + above.states, below.traces + above.traces)
        return below


def read_backward(
    net: Layer | Stack, inputs: Tensor, states: Sequence[State] | None = None
) -> Reading:
    """What a net of one direction computes that reads from the end, in the order of the text."""
    read = net(inputs.flip(0), states)
    traces = [{name: steps.flip(0) for name, steps in trace.items()} for trace in read.traces]
    return Reading(read.outputs.flip(0), read.states, traces)


def _rest(states: Sequence[State] | None, taken: int) -> Sequence[State] | None:
    return None if states is None else states[taken:]


def params_of(rnn: nn.RNNBase, layer: int = 0, backward: bool = False) -> dict[str, Tensor]:
    """The weights of one layer and direction of torch's net, named as here.

    They are made of the net's own by differentiable steps, so gradients flow back to it.
    Raises ValueError for a net that has no form here: with relu, or without biases.
    """
    cell, suffix = _cell_of(rnn), f"_l{layer}{'_reverse' if backward else ''}"

    def blocks(kind: str) -> tuple[Tensor, ...]:
        weight: Tensor = getattr(rnn, kind + suffix)  # (G * H, ...), gate by gate
        return weight.chunk(len(GATES[cell]))

    p: dict[str, Tensor] = {}
    kinds = map(blocks, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    for k, weight_x, weight_h, bias_x, bias_h in zip(GATES[cell], *kinds, strict=True):
        p[f"W_x{k}"], p[f"W_h{k}"] = weight_x.T, weight_h.T
        if k == "n":  # a GRU's candidate resets one of its biases only
            p["b_n"], p["b_hn"] = bias_x, bias_h
        else:
            p[f"b_{k}"] = bias_x + bias_h
    if rnn.proj_size:
        p["W_p"] = getattr(rnn, f"weight_hr{suffix}").T
    return p


def from_torch(rnn: nn.RNNBase) -> Stack:
    """The same net with the same weights, by hand; dropout between layers is left out.

    Takes and gives (T, B, ...) whatever `batch_first` says. Raises ValueError as `params_of`.
    """
    cell = _cell_of(rnn)

    def read(layer: int, backward: bool = False) -> Layer:
        return Layer(RecurrentCell(cell, params_of(rnn, layer, backward)))

    return Stack(
        [
            Bidirectional(read(layer), read(layer, backward=True))
            if rnn.bidirectional
            else read(layer)
            for layer in range(rnn.num_layers)
        ]
    )


def _cell_of(rnn: nn.RNNBase) -> Cell:
    cells: dict[str, Cell] = {"RNN_TANH": "rnn", "GRU": "gru", "LSTM": "lstm"}
    if rnn.mode not in cells or not rnn.bias:
        raise ValueError(f"no form by hand of {rnn}: it needs tanh and biases")
    return cells[rnn.mode]
