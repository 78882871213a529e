"""Tornado: one input at a time from its low to its high, by falling swing of the cost per GPU-hour."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import total


@dataclass(frozen=True, slots=True)
class Swing:
    """What an input does to the cost. `low`, `high` in the input's unit; `at_low`, `at_high` in USD per GPU-hour."""

    name: str
    base: float
    low: float
    high: float
    at_low: float
    at_high: float
    source: str

    @property
    def swing(self) -> float:
        return abs(self.at_high - self.at_low)


def tornado(inputs: Inputs) -> list[Swing]:
    """Every input with a range, the one that moves the cost most first."""
    v = inputs.values
    swings = [
        Swing(
            n,
            f.value,
            f.low,
            f.high,
            float(total({**v, n: f.low})),
            float(total({**v, n: f.high})),
            f.range_source or f.source,
        )
        for n, f in inputs.figures.items()
        if not f.certain
    ]
    return sorted((s for s in swings if s.swing > 0), key=lambda s: (-s.swing, s.name))
