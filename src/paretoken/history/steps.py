"""Steps in a series: where the level changed for good, with the probability of such a step in pure noise.

Binary segmentation on logarithms, so that a step is a ratio. At the best split of a segment the two sides' means are
compared with the spread within them (Student's t, n − 2 degrees of freedom: the likelihood-ratio test of one change
point at a known place); since the best of n − 1 places is taken, its p-value is multiplied by n − 1 (Bonferroni).
The last value is tested like the others, so that a change shows on its first day. Two steps that cancel each other hide
one another until more values come.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
FEWEST = 4
NOISE_FLOOR = 1e-4
"""Relative spread that every measurement is assumed to have, so that after equal values a small change is no step."""


@dataclass(frozen=True, slots=True)
class LevelStep:
    """The value at `index` is the first of a new level. Levels are geometric means; `change` is after/before − 1."""

    index: int
    before: float
    after: float
    p_value: float

    @property
    def change(self) -> float:
        return self.after / self.before - 1


def find_steps(values: Sequence[float], alpha: float = 0.01, smallest: float = 0.0) -> list[LevelStep]:
    """The steps of a series of positive values in order of time, without those below `smallest` (a ratio − 1)."""
    logs = np.log(np.asarray(values, float))
    cuts = sorted(_cuts(logs, 0, alpha))
    edges = [0, *(c for c, _ in cuts), len(logs)]
    steps = []
    for n, (cut, p) in enumerate(cuts):
        before, after = logs[edges[n] : cut].mean(), logs[cut : edges[n + 2]].mean()
        steps.append(LevelStep(cut, math.exp(before), math.exp(after), p))
    return [step for step in steps if abs(step.change) >= smallest]


def _cuts(logs: Floats, start: int, alpha: float) -> list[tuple[int, float]]:
    """(index, p-value) of every cut of a segment that begins at `start` of the series."""
    best = best_split(logs)
    if best is None or best[1] >= alpha:
        return []
    k, p = best
    return [(start + k, p), *_cuts(logs[:k], start, alpha), *_cuts(logs[k:], start + k, alpha)]


def best_split(logs: Floats) -> tuple[int, float] | None:
    """Where a segment is best cut in two, and how likely noise alone gives as clear a cut; None if it is too short."""
    n = len(logs)
    if n < FEWEST:
        return None
    k = np.arange(1, n)
    sums, squares = np.cumsum(logs)[:-1], np.cumsum(logs**2)[:-1]
    total, total_squares = logs.sum(), (logs**2).sum()
    left, right = sums / k, (total - sums) / (n - k)
    within = (squares - k * left**2) + (total_squares - squares - (n - k) * right**2)
    spread = np.sqrt(np.maximum(within, 0) / (n - 2) + NOISE_FLOOR**2)
    t = np.abs(left - right) / (spread * np.sqrt(1 / k + 1 / (n - k)))
    at = int(np.argmax(t))
    return int(k[at]), min(1.0, float(2 * stats.t.sf(t[at], n - 2) * (n - 1)))
