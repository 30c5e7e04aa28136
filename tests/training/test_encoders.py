from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from training.config import ModelConfig
from training.encoders import Encoder

SHAPES = [
    {"cell": cell, "layers": layers, "bidirectional": bidirectional}
    for cell, layers, bidirectional in itertools.product(
        ("rnn", "lstm", "gru"), (1, 2), (False, True)
    )
]
PROJECTED = [
    {"cell": "lstm", "layers": layers, "bidirectional": bidirectional, "proj_size": 3}
    for layers, bidirectional in itertools.product((1, 2), (False, True))
]
BACKWARD = [
    {"cell": cell, "layers": layers, "bidirectional": False, "backward": True}
    for cell, layers in itertools.product(("rnn", "lstm", "gru"), (1, 2))
]
LENGTHS = torch.tensor([5, 1, 9, 3])


def encoder_of(shape: dict[str, object]) -> Encoder:
    torch.manual_seed(0)
    sizes = {"embedding_size": 4, "hidden_size": 6, "layer_dropout": 0.5}
    return Encoder(ModelConfig(**sizes, **shape)).eval()  # type: ignore[arg-type]


def embedded() -> torch.Tensor:
    return torch.randn(len(LENGTHS), 9, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES + PROJECTED + BACKWARD, ids=str)
def test_a_padded_text_has_the_states_of_the_text_alone(shape: dict[str, object]) -> None:
    encoder, texts = encoder_of(shape), embedded()
    together = encoder(texts, LENGTHS)
    for text, states, length in zip(texts, together, LENGTHS.tolist(), strict=True):
        alone = encoder(text[None, :length], torch.tensor([length]))
        torch.testing.assert_close(states[:length], alone[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES + PROJECTED + BACKWARD, ids=str)
def test_the_fast_path_gives_the_states_of_the_packed_one(shape: dict[str, object]) -> None:
    encoder, texts = encoder_of(shape), embedded()
    packed = encoder(texts, torch.full((len(texts),), texts.shape[1]))
    torch.testing.assert_close(encoder(texts), packed, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES + PROJECTED + BACKWARD, ids=str)
def test_states_past_the_length_are_zero_and_sized_as_said(shape: dict[str, object]) -> None:
    encoder, texts = encoder_of(shape), embedded()
    states = encoder(texts, LENGTHS)
    width = (2 if shape["bidirectional"] else 1) * (3 if "proj_size" in shape else 6)
    assert states.shape == (4, 9, width)
    assert encoder.output_size == width
    for row, length in zip(states, LENGTHS.tolist(), strict=True):
        assert not row[length:].any()
        assert row[:length].all()


def test_forget_gates_start_open() -> None:
    encoder = encoder_of({"cell": "lstm", "layers": 2, "bidirectional": True})
    assert isinstance(encoder.rnn, nn.LSTM)
    for name, bias in encoder.rnn.named_parameters():
        if name.startswith("bias_ih"):
            input_gate, forget_gate, cell, output = bias.chunk(4)
            assert (forget_gate == 1).all()
            assert (torch.cat([input_gate, cell, output]).abs() < 1).all()


@pytest.mark.filterwarnings("error")
def test_one_layer_takes_no_layer_dropout() -> None:
    assert encoder_of({"cell": "gru", "layers": 1}).rnn.dropout == 0
    assert encoder_of({"cell": "gru", "layers": 2}).rnn.dropout == 0.5


@pytest.mark.parametrize("shape", BACKWARD, ids=str)
def test_a_backward_net_reads_a_text_from_its_end(shape: dict[str, object]) -> None:
    back, ahead = encoder_of(shape), encoder_of({**shape, "backward": False})
    texts = embedded()
    for text, states, length in zip(texts, back(texts, LENGTHS), LENGTHS.tolist(), strict=True):
        turned = ahead(text[None, :length].flip(1)).flip(1)
        torch.testing.assert_close(states[:length], turned[0], atol=1e-6, rtol=0)
