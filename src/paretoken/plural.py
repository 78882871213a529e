"""Counts with their noun."""

from __future__ import annotations


def counted(count: float, noun: str, plural: str = "") -> str:
    """`1 point`, `1,200 points`; the plural is the noun with an s unless given."""
    return f"{count:,.0f} {noun if round(count) == 1 else plural or f'{noun}s'}"
