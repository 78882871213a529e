"""The estimate of tokens in a text without a tokenizer."""

from __future__ import annotations

CHARS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Four characters are a token, the last one of a text may be shorter."""
    return -(-len(text) // CHARS_PER_TOKEN)
