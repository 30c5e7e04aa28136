"""The recurrent layers: RNN, LSTM, GRU; one or two directions, stacked, projected."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from training.config import ModelConfig
from training.weight_drop import Inputs, run_dropped

_CELLS: dict[str, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {
    "rnn": nn.RNN,
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


class Encoder(nn.Module):
    """A recurrent net over embedded tokens (B, T, E), giving states (B, T, D * H).

    D is 2 when bidirectional, H is `proj_size` when projected (LSTM only, Sak et al.
    2014), else `hidden_size`. States past a text's length are zero. Where it is `backward`, the
    one direction reads from the text's end, and its first state has read all of it.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        projection = {"proj_size": config.proj_size} if config.proj_size else {}
        self.rnn = _CELLS[config.cell](
            config.embedding_size,
            config.hidden_size,
            num_layers=config.layers,
            batch_first=True,
            dropout=config.layer_dropout if config.layers > 1 else 0.0,
            bidirectional=config.bidirectional,
            **projection,
        )
        self.weight_drop = config.weight_drop
        self.backward = config.backward
        self.directions = config.directions
        self.output_size = len(self.directions) * (config.proj_size or config.hidden_size)
        if isinstance(self.rnn, nn.LSTM):
            _open_forget_gates(self.rnn)

    def forward(self, embedded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """States (B, T, D * H). Without `lengths` (B,) all texts are T long: the fast path."""
        if self.backward:
            embedded = _turn(embedded, lengths)
        if lengths is None:
            states = self._run(embedded)
        else:
            packed = pack_padded_sequence(
                embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            states, _ = pad_packed_sequence(
                self._run(packed), batch_first=True, total_length=embedded.shape[1]
            )
        return _turn(states, lengths) if self.backward else states

    def _run(self, inputs: Inputs) -> Inputs:
        if self.training and self.weight_drop:
            return run_dropped(self.rnn, inputs, self.weight_drop)
        return self.rnn(inputs)[0]  # type: ignore[no-any-return]


def _turn(steps: Tensor, lengths: Tensor | None) -> Tensor:
    """The steps (B, T, ...) of each text from its last to its first, padding where it was."""
    if lengths is None:
        return steps.flip(1)
    times = torch.arange(steps.shape[1], device=steps.device)
    turned = lengths.to(steps.device)[:, None] - 1 - times  # (B, T)
    return steps.gather(1, torch.where(turned < 0, times, turned)[..., None].expand_as(steps))


def _open_forget_gates(lstm: nn.LSTM) -> None:
    """Start with forget gates at sigmoid(1), so that memory lasts (Jozefowicz et al. 2015)."""
    for name, bias in lstm.named_parameters():
        if name.startswith("bias_ih"):  # the gates lie in the order i, f, g, o
            size = bias.shape[0] // 4
            nn.init.ones_(bias.data[size : 2 * size])
