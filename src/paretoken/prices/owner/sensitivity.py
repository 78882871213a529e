"""Tornado: each input in turn from its low to its high, by falling swing of the cost per GPU-hour."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.prices.owner.figures import InputFigure
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import total


@dataclass(frozen=True, slots=True, kw_only=True)
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
    swings = [_swing(inputs, name, figure) for name, figure in inputs.figures.items() if not figure.certain]
    return sorted((s for s in swings if s.swing > 0), key=lambda s: (-s.swing, s.name))


def _swing(inputs: Inputs, name: str, figure: InputFigure) -> Swing:
    low, high = figure.bounds
    return Swing(
        name=name,
        base=figure.value,
        low=low,
        high=high,
        at_low=float(total({**inputs.values, name: low})),
        at_high=float(total({**inputs.values, name: high})),
        source=figure.range_source or figure.source,
    )
