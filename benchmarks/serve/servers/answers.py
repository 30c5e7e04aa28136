"""The way of a text in every peer: tokenize, pad, onnxruntime, probabilities, answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from benchmarks.serve.servers.options import ServerOptions
from service.bundle import read_bundle
from service.engine import OnnxEngine, pad
from service.postprocess import probabilities, scored
from service.tokenizer import Tokenizer

Answer = dict[str, Any]


class Answers:
    """The bundle's model, opened with the service's own code, behind one call."""

    def __init__(self, options: ServerOptions) -> None:
        bundle = read_bundle(options.bundle_path)
        self._manifest = bundle.manifest
        self._tokenizer = Tokenizer(bundle.tokenizer)
        self._engine = OnnxEngine(bundle.model, bundle.manifest.onnx, "cpu", options.threads)

    def of_texts(self, texts: Sequence[str]) -> list[Answer]:
        """A prediction for each text, run as one batch."""
        token_ids = [self._tokenizer.encode(text) for text in texts]
        logits = self._engine.run(*pad(token_ids, self._manifest.pad_id))
        rows = probabilities(logits, self._manifest.temperature)
        return [self._describe(row, len(ids)) for row, ids in zip(rows, token_ids, strict=True)]

    def of_bodies(self, bodies: Sequence[dict[str, Any]]) -> list[Answer]:
        """An answer for each request's body, all texts of all of them run as one batch."""
        predictions = iter(self.of_texts([text for body in bodies for text in body["inputs"]]))
        return [self.envelope(list(islice(predictions, len(body["inputs"])))) for body in bodies]

    def envelope(self, predictions: list[Answer]) -> Answer:
        """The answer to one request."""
        return {"model": self._manifest.name, "predictions": predictions}

    def _describe(self, row: Any, tokens: int) -> Answer:
        best = scored(row.tolist(), self._manifest.labels)
        ranked = dict(sorted(best.scores.items(), key=lambda pair: -pair[1]))
        return {
            "label": best.label,
            "score": best.score,
            "scores": ranked,
            "tokens": tokens,
            "truncated": False,
        }
