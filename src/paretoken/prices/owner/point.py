"""Where the cost at the point values lies among the draws, and which inputs' ranges put it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.prices.numbers import FloatArray
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import total
from paretoken.prices.owner.montecarlo import CostDraws

MOST_DRAWS = 20_000
"""Draws that the shifts of the median are taken from."""
ONE_SIDED = 0.1
"""How far the share of draws above an input's value must be from one half for its range to lie on one side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeShift:
    """An input whose range lies more on one side of its value.

    `above_value` is the share of its draws above the value; `median_shift_usd` is how far the median of the cost of a
    GPU-hour would move if the input were certain, with the sign of what the range does: median of the draws less the
    median with the input at its value.
    """

    name: str
    value: float
    low: float
    high: float
    above_value: float
    median_shift_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPlace:
    """The cost of a GPU-hour at the inputs' values: the share of draws below it, a tie counts half, and why.

    `median_less_point_usd` is what the shifts of all inputs add up to, nearly: they act together.
    `below_usd_per_mtok` is the share of draws of a million tokens below theirs, None without throughput.
    """

    usd_per_gpu_h: float
    below: float
    median_less_point_usd: float
    one_sided: tuple[RangeShift, ...]
    below_usd_per_mtok: float | None = None


def point_place(inputs: Inputs, draws: CostDraws) -> PointPlace:
    """The place of an accelerator's point value among its draws; one-sided ranges by falling shift."""
    name = inputs.accelerator
    cost, point = draws.usd_per_gpu_h[name], float(total(inputs.values))
    drawn = {k: x for k, x in draws.inputs[name].items() if k in inputs.figures}
    leaning = {k: above for k, x in drawn.items() if abs((above := _above(x, inputs.values[k])) - 0.5) > ONE_SIDED}
    few, median = {k: x[:MOST_DRAWS] for k, x in drawn.items()}, float(np.median(cost[:MOST_DRAWS]))
    shifts = [
        RangeShift(
            name=k,
            value=inputs.values[k],
            low=inputs.figures[k].bounds[0],
            high=inputs.figures[k].bounds[1],
            above_value=above,
            median_shift_usd=median - _median_without(inputs, few, k),
        )
        for k, above in leaning.items()
    ]
    return PointPlace(
        usd_per_gpu_h=point,
        below=1 - _above(cost, point),
        median_less_point_usd=float(np.median(cost)) - point,
        one_sided=tuple(sorted(shifts, key=lambda s: -abs(s.median_shift_usd))),
        below_usd_per_mtok=_below_of_tokens(draws, name, point),
    )


def point_places(inputs_of_all: Sequence[Inputs], draws: CostDraws) -> dict[str, PointPlace]:
    """By accelerator."""
    return {i.accelerator: point_place(i, draws) for i in inputs_of_all}


def _median_without(inputs: Inputs, drawn: dict[str, FloatArray], name: str) -> float:
    """The median cost with one input at its value and all others drawn."""
    others = {k: x for k, x in drawn.items() if k != name}
    return float(np.median(total({**inputs.values, **others})))


def _above(x: FloatArray, value: float) -> float:
    return float(np.mean(x > value) + 0.5 * np.mean(x == value))


def _below_of_tokens(draws: CostDraws, name: str, usd_per_gpu_h: float) -> float | None:
    """As `below`, of a million tokens: throughput at its value too, whose draws lie around it evenly."""
    if name not in draws.usd_per_mtok:
        return None
    point = usd_per_gpu_h * draws.usd_per_mtok_per_usd[name]
    return 1 - _above(draws.usd_per_mtok[name], point)
