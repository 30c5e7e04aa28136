"""Text to piece ids, with sentencepiece: the same code in training and in serving."""

from __future__ import annotations

from collections.abc import Sequence

import sentencepiece

from service.bundle import TOKENIZER_FILE
from service.errors import BundleError


class Tokenizer:
    """A sentencepiece model (Kudo & Richardson 2018), read from its serialised bytes.

    Raises BundleError when the bytes are not a sentencepiece model.
    """

    def __init__(self, model: bytes) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise BundleError(f"{TOKENIZER_FILE}: not a sentencepiece model ({error})") from error

    @property
    def vocab_size(self) -> int:
        return int(self._processor.get_piece_size())

    @property
    def pad_id(self) -> int:
        return int(self._processor.pad_id())

    @property
    def unk_id(self) -> int:
        return int(self._processor.unk_id())

    def encode(self, text: str) -> list[int]:
        """The piece ids of one text; empty when nothing readable is in it."""
        return self._processor.encode(text)  # type: ignore[no-any-return]

    def encode_all(self, texts: Sequence[str], threads: int = 1) -> list[list[int]]:
        """The piece ids of each text; many texts go faster with several threads."""
        return self._processor.encode(list(texts), num_threads=threads)  # type: ignore[no-any-return]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each piece of `encode` stands in the text: start and end in code points.

        Normalization may make several pieces of one character: all but the last are empty.
        """
        return self._processor.encode(text, return_type="offset_mapping")["offsets"]  # type: ignore[no-any-return]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces as written, `▁` standing for a space."""
        return [self._processor.id_to_piece(piece) for piece in ids]
