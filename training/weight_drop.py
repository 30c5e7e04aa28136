"""Weight drop: dropout on the recurrent weights (Merity, Keskar & Socher 2018, AWD-LSTM)."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

Inputs = TypeVar("Inputs", Tensor, PackedSequence)


def run_dropped(rnn: nn.RNNBase, inputs: Inputs, share: float) -> Inputs:
    """The states of a recurrent net, a random share of its state-to-state weights being zero.

    The same weights are missing at every step and for every text of the batch. The net
    keeps its weights whole: gradients go to them, and they are what is stored.
    """
    dropped = {
        name: functional.dropout(weight, share)
        for name, weight in rnn.named_parameters()
        if name.startswith("weight_hh")
    }
    states: Inputs = functional_call(rnn, dropped, (inputs,))[0]
    return states
