"""A network's answers for many texts, read from their start; and how many threads give them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from service.engine import Float32
from training.batching import TokenStore, collate, exact_length_batches
from training.config import TrainingConfig

TEXTS_A_BATCH = 1024


@torch.inference_mode()
def network_logits(
    model: nn.Module, store: TokenStore, classes: int, config: TrainingConfig, device: torch.device
) -> Float32:
    """Logits (N, C) of texts read whole, up to `config.max_tokens`; 0 for one without a token.

    Leaves the model in evaluation mode.
    """
    logits = np.zeros((len(store), classes), dtype=np.float32)
    lengths = np.minimum(store.lengths, config.max_tokens)
    model.eval()
    for batch in exact_length_batches(lengths, config.batch_tokens, TEXTS_A_BATCH):
        ids = torch.from_numpy(collate(store, batch)).to(device)
        logits[batch.rows] = model(ids).cpu().numpy()
    return logits


@contextmanager
def one_thread() -> Iterator[None]:
    """What torch computes within, it computes on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
