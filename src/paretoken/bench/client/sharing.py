"""Tokens that no chunk claimed, shared out among the chunks of an answer."""

from __future__ import annotations

from array import array
from collections.abc import Sequence


def share_out(tokens: array[int], sizes: Sequence[int], missing: int) -> None:
    """Add to the tokens of each chunk by its share of the text (characters): largest remainders, the total exact."""
    sizes = [max(size, 1) for size in sizes]
    whole = sum(sizes)
    total = sum(tokens) + missing
    ideal = [max(total * size / whole - n, 0.0) for size, n in zip(sizes, tokens, strict=True)]
    scale = missing / sum(ideal) if sum(ideal) else 0.0
    parts = [x * scale for x in ideal]
    for i, part in enumerate(parts):
        tokens[i] += int(part)
    left = missing - sum(int(part) for part in parts)
    order = sorted(range(len(parts)), key=lambda i: int(parts[i]) - parts[i])
    for k in range(left):
        tokens[order[k % len(order)]] += 1
