"""Intervals: how far observations lie from predictions, by case.

The half-width h of a 90 % interval, ln of a factor, is for each outcome and each end of it

    h = √(Σ (width_k)²·x_k) · exp(Σ u_g)

with components k of weight x_k that a case has (a known case, few points, saturation, each way of being new, months
outside the dates) and multipliers u_g of its accelerator, engine, model and cell as far as they were learned from.
Intervals of another nominal coverage are h times the quantile there of what cross-validation left, over h.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from typing_extensions import TypedDict

from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.novelty import LAB, SPELL, Seen, cell_of
from paretoken.predict.calibration.sample import OUTCOMES
from paretoken.predict.deployment import Case

SIDES = ("low", "high")
MOST_CROWDED, MANY_USERS, MOST_USERS = 1.0, 1024, 2.0
COVERAGES = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Nominal coverages whose quantiles a calibration keeps."""
NORMAL_QUANTILES = (0.41, 0.78, 1.0, 1.19, 1.57)
"""How far a normal distribution reaches at COVERAGES, over its reach at 90 %."""
NORMAL_90 = 1.645
"""Half-width of the middle 90 % of a normal distribution, in standard deviations."""
NOMINAL = 0.9
ASSUMED: Mapping[str, float] = {
    "known": 0.1,
    "few": 0.1,
    "drafting": 0.1,
    "attention_dp": 0.15,
    "saturation": 0.2,
    "many_users": 0.3,
    LAB: 0.1,
    **dict.fromkeys(SPELL, 0.3),
    "undated": 0.1,
    "later": 0.1,
    "earlier": 0.2,
    "pipeline": 0.9,
    "nodes": 0.9,
}
"""The half-width of each component that is expected before any residual. Nobody has run a pipeline or several nodes:
there it is a factor of 2.5."""
SLOWER = {"earlier": 0.4, "site": 0.5}
"""At the upper end of times, where it differs: engines of early 2025 took 1.7 to 3.3 times as long for DeepSeek, and on
machines of others the same deployment takes up to three times as long."""
FIRST_TOKEN_WIDER = 2.5
KINDS = tuple(ASSUMED)
UNKNOWN_CELL = ("accelerator", "engine", "model", "precision", "cell")


class Side(TypedDict):
    """One end of an outcome's interval: the width of each of KINDS, multipliers by group (ln), and quantiles over h."""

    widths: dict[str, float]
    groups: dict[str, float]
    quantiles: list[float]


Bands = Mapping[str, Mapping[str, Side]]
"""By outcome and side."""


def assumed_width(outcome: str, side: str, kind: str) -> float:
    """The half-width that a component is expected to have."""
    width = SLOWER.get(kind, ASSUMED[kind]) if side == "high" else ASSUMED[kind]
    return width * (FIRST_TOKEN_WIDER if "ttft" in outcome else 1.0)


def assumed_bands() -> Bands:
    """Intervals where nothing was cross-validated."""
    return {
        outcome: {
            side: Side(
                widths={k: assumed_width(outcome, side, k) for k in KINDS}, groups={}, quantiles=list(NORMAL_QUANTILES)
            )
            for side in SIDES
        }
        for outcome in OUTCOMES
    }


def components(case: Case, new: Mapping[str, float], seen: Seen, crowding: float) -> list[float]:
    """The weights of KINDS for a case that is new in some ways; `crowding` is its users over the KV cache's slots."""
    d = case.deployment
    cell = seen.cells.get(cell_of(d))
    known_curve = cell is not None and not {"tp", "workload", "pipeline"} & new.keys()
    points = cell.points.get((d.size, case.lengths_text), 0) if cell and known_curve else 0
    weights = {
        "known": 1.0,
        "few": known_curve / (1 + points),
        "drafting": float(d.drafting and d.acceptance_length is None),
        "attention_dp": float(d.dp_attention),
        "saturation": min(crowding, MOST_CROWDED),
        "many_users": min(case.concurrency / MANY_USERS, MOST_USERS),
        LAB: float(case.harness == LAB),
        **new,
    }
    return [weights.get(kind, 0.0) for kind in KINDS]


def groups_of(case: Case, new: Mapping[str, float]) -> Iterator[str]:
    """The groups whose multipliers bear on a case: those it is not new in."""
    d = case.deployment
    names = {"accelerator": d.accelerator, "engine": d.engine, "model": d.model}
    yield from (f"{level} {name}" for level, name in names.items() if level not in new)
    if not any(kind in new for kind in UNKNOWN_CELL):
        yield f"cell {' '.join(cell_of(d))}"


@dataclass(frozen=True)
class BandModel:
    """The bands of a calibration as arrays."""

    bands: Bands

    @cached_property
    def _variances(self) -> Floats:
        """Shape (kinds, outcomes · sides)."""
        sides = [self.bands[o][s]["widths"] for o in OUTCOMES for s in SIDES]
        return np.array([[side.get(kind, 0.0) ** 2 for side in sides] for kind in KINDS])

    @cached_property
    def _multipliers(self) -> dict[str, Floats]:
        sides = [self.bands[o][s]["groups"] for o in OUTCOMES for s in SIDES]
        names = {name for side in sides for name in side}
        return {name: np.array([side.get(name, 0.0) for side in sides]) for name in names}

    def half_widths(self, weights: Floats, groups: Sequence[Sequence[str]]) -> Floats:
        """h of cases with these weights of KINDS (n, kinds) and these groups, shape (n, outcomes, sides)."""
        none = np.zeros(len(OUTCOMES) * len(SIDES))
        table = self._multipliers
        log_factors = np.array([sum((table[g] for g in names if g in table), none) for names in groups])
        widths = np.sqrt(weights @ self._variances) * np.exp(log_factors.reshape(len(groups), -1))
        return np.asarray(widths.reshape(-1, len(OUTCOMES), len(SIDES)))

    def reach(self, coverage: float) -> Floats:
        """What h is multiplied with for a nominal coverage, shape (outcomes, sides)."""
        tables = [[self.bands[o][s]["quantiles"] for s in SIDES] for o in OUTCOMES]
        tails = [-np.log(1 - c) for c in COVERAGES]
        return np.array([[np.interp(-np.log(1 - coverage), tails, table) for table in row] for row in tables])


def log_bands(half_widths: Floats, reach: Floats | float = 1.0) -> Floats:
    """Ends of intervals as ln of factors on the prediction, (n, outcomes, 2): below and above."""
    return np.asarray(half_widths * reach * np.array([-1.0, 1.0]))
