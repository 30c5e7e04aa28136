from __future__ import annotations

import pytest
import torch

from tests.training.samples import classifier
from training.model import drop_words, locked_dropout
from training.precision import has_bf16_lstm

IDS = torch.randint(2, 30, (4, 9), generator=torch.Generator().manual_seed(0))
DROPOUTS = ("word_dropout", "embedding_dropout", "head_dropout", "layer_dropout")


def test_logits_have_a_row_per_text_and_a_column_per_class() -> None:
    logits = classifier(classes=3)(IDS)
    assert logits.shape == (4, 3)
    assert logits.dtype == torch.float32


@pytest.mark.skipif(
    not has_bf16_lstm(torch.device("cpu")), reason="this processor has no bf16 LSTM"
)
def test_logits_are_fp32_under_autocast_too() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert classifier()(IDS).dtype == torch.float32


@pytest.mark.parametrize("dropout", DROPOUTS)
def test_dropout_acts_in_training_only(dropout: str) -> None:
    model = classifier(layers=2, **{dropout: 0.5})
    assert not torch.equal(model.train()(IDS), model.train()(IDS))
    assert torch.equal(model.eval()(IDS), model.eval()(IDS))


@pytest.mark.parametrize("dropout", DROPOUTS)
def test_dropout_changes_no_weight_and_no_answer(dropout: str) -> None:
    plain, dropping = classifier(layers=2).eval(), classifier(layers=2, **{dropout: 0.5}).eval()
    assert torch.equal(plain(IDS), dropping(IDS))


def test_padding_changes_nothing() -> None:
    model, lengths = classifier(pooling=("last", "mean", "max", "attention")).eval(), [9, 2, 5, 1]
    longer = torch.nn.functional.pad(IDS, (0, 20), value=7)
    torch.testing.assert_close(
        model(longer, torch.tensor(lengths)), model(IDS, torch.tensor(lengths)), atol=1e-6, rtol=0
    )


def test_the_fast_path_gives_the_logits_of_the_packed_one() -> None:
    model = classifier(layers=2, pooling=("last", "mean", "max", "attention")).eval()
    torch.testing.assert_close(model(IDS), model(IDS, torch.full((4,), 9)), atol=1e-6, rtol=0)


def test_the_vector_of_padding_is_never_learnt() -> None:
    model = classifier()
    model(torch.zeros_like(IDS)).sum().backward()
    assert model.embedding.weight.grad is not None
    assert not model.embedding.weight.grad[0].any()


def test_word_dropout_replaces_its_share_by_unknown() -> None:
    torch.manual_seed(0)
    ids = torch.full((100, 100), 7)
    dropped = drop_words(ids, 0.2, unk_id=1)
    assert set(dropped.unique().tolist()) == {1, 7}
    assert 0.18 < (dropped == 1).float().mean() < 0.22
    assert (ids == 7).all()


def test_locked_dropout_drops_a_feature_for_a_whole_text_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = locked_dropout(torch.ones(50, 7, 40), 0.25, training=True)
    assert (dropped == dropped[:, :1]).all()
    assert not (dropped == dropped[:1]).all()
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)
