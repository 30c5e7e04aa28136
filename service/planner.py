"""Which texts run together: a pure function of their lengths."""

from __future__ import annotations

from collections.abc import Sequence


def plan(lengths: Sequence[int], max_batch_tokens: int, max_batch_size: int) -> list[list[int]]:
    """Cut texts into batches of similar length.

    Texts are sorted by length and cut wherever the padded batch would pass
    `max_batch_tokens` (longest length times texts) or `max_batch_size` texts. A text
    that alone is over the budget is a batch by itself. Returns the indices of each
    batch; every index appears exactly once.
    """
    batches: list[list[int]] = []
    current: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        size = len(current) + 1
        # Sorted ascending, so the newcomer is the longest and sets the padding.
        if current and (size > max_batch_size or size * lengths[index] > max_batch_tokens):
            batches.append(current)
            current = []
        current.append(index)
    if current:
        batches.append(current)
    return batches
