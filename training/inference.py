"""The logits of a whole corpus, in torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from service.engine import Float32
from training.batching import collate, cropped_lengths, exact_length_batches
from training.corpus import Corpus

BATCH_SIZE = 1024


def corpus_logits(
    model: nn.Module, corpus: Corpus, max_tokens: int, batch_tokens: int, device: torch.device
) -> Float32:
    """Logits (N, C) of texts, each read at its cropped length, from its start."""
    logits = np.zeros(corpus.sayable.shape, dtype=np.float32)
    lengths = cropped_lengths(corpus.store.lengths, max_tokens)
    model.eval()
    with torch.inference_mode():
        for batch in exact_length_batches(lengths, batch_tokens, BATCH_SIZE):
            ids = torch.from_numpy(collate(corpus.store, batch)).to(device)
            logits[batch.rows] = model(ids).cpu().numpy()
    return logits
