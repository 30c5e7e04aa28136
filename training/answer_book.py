"""What teachers have said, kept on disk: nobody is asked about a text twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from time import monotonic

import numpy as np
import torch

from service.engine import Float32
from training.batching import Int
from training.checkpoint import load, save_atomically
from training.rows import text_keys
from training.teachers import Teacher

SAVE_EVERY_S = 60.0


class AnswerBook:
    """A teacher's scores of texts, those asked for before found in `folder`.

    Kept once a minute and when it stops, so that a kill loses a minute or one call's answers.
    """

    def __init__(self, teacher: Teacher, folder: Path) -> None:
        self._teacher = teacher
        self._path = folder / f"{teacher.key[:12]}.answers.pt"
        self._rows: dict[int, Float32] = {}
        if self._path.exists():
            state = load(self._path)
            self._rows = dict(zip(state["texts"].tolist(), state["scores"].numpy(), strict=True))

    def scores(self, texts: Sequence[str]) -> Float32:
        """As those of the teacher: (N, C)."""
        keys = text_keys(texts)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        unasked, saved = iter(new), monotonic()
        try:
            for window in self._teacher.windows(list(new.values())):
                asked = islice(unasked, len(window))
                self._rows.update(zip(asked, window.astype(np.float32), strict=True))
                if monotonic() - saved > SAVE_EVERY_S:
                    self._save()
                    saved = monotonic()
        finally:
            if new:
                self._save()
        found: Float32 = np.array([self._rows[key] for key in keys], dtype=np.float32)
        return found.reshape(len(keys), len(self._teacher.says))

    def _save(self) -> None:
        if not self._rows:
            return
        texts: Int = np.fromiter(self._rows, dtype=np.int64, count=len(self._rows))
        scores = torch.from_numpy(np.stack(list(self._rows.values())))
        save_atomically({"texts": torch.from_numpy(texts), "scores": scores}, self._path)
