"""Counts and amounts with their noun, and lists in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.significant import significant


def counted(count: float, noun: str, plural: str = "") -> str:
    """`1 point`, `1,200 points`; the plural is the noun with an s unless given."""
    return f"{count:,.0f} {noun if round(count) == 1 else plural or f'{noun}s'}"


def quantity(value: float, noun: str, plural: str = "") -> str:
    """`1 token`, `1.38 tokens`, `12,400 tokens`: as `counted`, to three digits where there is a fraction."""
    text = significant(value, 3)
    return f"{text} {noun if text == '1' else plural or f'{noun}s'}"


def listed(names: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
