"""Prompts that need no download: sentences of our own, drawn and joined by a seed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

_SENTENCES = Path(__file__).parent / "data" / "sentences.txt"
SENTENCES_PER_PROMPT = (3, 7)


@cache
def sentences() -> tuple[str, ...]:
    """The sentences that prompts are made of: prose, code and data, some of it in other languages."""
    return tuple(_SENTENCES.read_text(encoding="utf-8").splitlines())


def prompts(n: int, rng: np.random.Generator) -> list[str]:
    """n prompts of about 40 to 150 tokens, each beginning with its own number, so that no cache knows them."""
    low, high = SENTENCES_PER_PROMPT
    drawn = (rng.choice(sentences(), rng.integers(low, high), replace=False) for _ in range(n))
    return [f"Note {rng.integers(10**9)}. {' '.join(lines)}" for lines in drawn]
