from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.config import ModelConfig
from training.language_model import LanguageModel, candidate_shares, sampled_loss

VOCAB = 30
IDS = torch.arange(2, 26).reshape(2, 12)  # (B, T)


def language_model(candidates: int = 0, dropout: float = 0.0, **fields: object) -> LanguageModel:
    torch.manual_seed(0)
    config = ModelConfig(**{"embedding_size": 6, "hidden_size": 8, **fields})  # type: ignore[arg-type]
    shares = candidate_shares(torch.arange(VOCAB))
    return LanguageModel(config, shares, pad_id=0, candidates=candidates, dropout=dropout)


def pieces_read(model: LanguageModel, direction: int, position: int) -> list[int]:
    """The positions of a text that a direction's state at one of them knows."""
    embedded = model.embedding(IDS).detach().requires_grad_()
    halves = model.encoder(embedded).chunk(len(model.encoder.directions), dim=-1)
    halves[direction][0, position].sum().backward()
    assert embedded.grad is not None
    return [t for t in range(IDS.shape[1]) if embedded.grad[0, t].any()]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("fields", [{"cell": "lstm"}, {"cell": "gru"}, {"proj_size": 3}])
def test_no_direction_reads_what_it_is_to_tell(layers: int, fields: dict[str, object]) -> None:
    model = language_model(layers=layers, layer_dropout=0.0, **fields)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        assert pieces_read(model, 0, 5) == list(range(6))
        assert pieces_read(model, 1, 5) == list(range(5, 12))
        optimizer.zero_grad()
        model(IDS).sum().backward()
        optimizer.step()


def test_one_direction_tells_the_next_piece() -> None:
    model = language_model(bidirectional=False, cell="rnn").eval()
    states = model.encoder(model.embedding(IDS))  # (B, T, H)
    logits = functional.linear(model.to_embedding[0](states), model.embedding.weight, model.bias)
    expected = functional.cross_entropy(logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten())
    assert model(IDS).tolist() == pytest.approx([expected.item()])


def test_one_that_reads_backward_tells_the_piece_before() -> None:
    back = language_model(bidirectional=False, backward=True).eval()
    ahead = language_model(bidirectional=False).eval()
    assert back(IDS).tolist() == pytest.approx(ahead(IDS.flip(1)).tolist())
    assert pieces_read(back, 0, 5) == list(range(5, 12))


def test_the_sampled_softmax_is_the_whole_one_in_the_mean() -> None:
    """Its denominator has the right mean, whatever the candidates are drawn by."""
    torch.manual_seed(0)
    queries, weight, bias = torch.randn(1, 4), torch.randn(VOCAB, 4), torch.randn(VOCAB)
    target, shares = torch.tensor([3]), torch.rand(VOCAB) + 0.1
    shares /= shares.sum()

    def ratio(_: int) -> Tensor:
        drawn = torch.multinomial(shares, 20, replacement=True)
        return sampled_loss(queries, target, weight, bias, drawn, 20 * shares[drawn]).exp()

    whole = functional.cross_entropy(functional.linear(queries, weight, bias), target).exp()
    found = torch.stack([ratio(number) for number in range(3000)]).mean()
    assert found.item() == pytest.approx(whole.item(), rel=0.02)


def test_with_many_candidates_the_loss_and_its_gradient_are_the_whole_ones() -> None:
    whole, sampled = language_model(), language_model(candidates=100_000)
    losses = [model(IDS) for model in (whole, sampled)]
    assert torch.allclose(losses[0], losses[1], atol=0.02)
    for loss in losses:
        loss.sum().backward()
    gradients = [model.embedding.weight.grad for model in (whole, sampled)]
    assert gradients[0] is not None
    assert gradients[1] is not None
    assert torch.allclose(gradients[0], gradients[1], atol=0.02)


def test_dropout_and_candidates_are_for_training_alone() -> None:
    model, quiet = language_model(candidates=5, dropout=0.5), language_model()
    assert not torch.allclose(model(IDS), quiet(IDS))
    assert torch.equal(model.eval()(IDS), quiet.eval()(IDS))


def test_pieces_that_stand_in_no_text_are_drawn_too() -> None:
    shares = candidate_shares(torch.tensor([0, 15, 80]))
    assert shares.tolist() == pytest.approx([1 / 36, 8 / 36, 27 / 36], abs=1e-3)
