"""Statistics of a paired comparison: distances of distributions, intervals over prompts, exact tests.

Tokens of one prompt are not independent, so prompts are drawn, never tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from paretoken.accuracy.tokens import Tops

Floats = npt.NDArray[np.float64]
REPLICATES = 2000
LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """An estimate with its interval of `level`, from n prompts."""

    value: float
    low: float
    high: float
    level: float
    n: int


def k3(reference: Sequence[float], candidate: Sequence[float]) -> Floats:
    """e^r − 1 − r of each token, r = log candidate − log reference: never negative, on average KL(reference‖candidate).

    Schulman 2020, Approximating KL divergence, for tokens that the reference drew.
    """
    r: Floats = np.asarray(candidate, np.float64) - np.asarray(reference, np.float64)
    k: Floats = np.expm1(np.minimum(r, 50.0)) - r
    return k


def kl_of_tops(reference: Tops, candidate: Tops) -> float:
    """KL(reference‖candidate) over the tokens that both list, and one bucket for all others. Nats, a lower bound."""
    shared = [t for t in reference if t in candidate]
    p = np.exp([reference[t] for t in shared])
    q = np.exp([candidate[t] for t in shared])
    p, q = np.append(p, max(1 - p.sum(), 0.0)), np.append(q, max(1 - q.sum(), 1e-12))
    some = p > 0
    return max(float(np.sum(p[some] * np.log(p[some] / q[some]))), 0.0)


def mean_over_prompts(
    sums: Sequence[float], counts: Sequence[float], rng: np.random.Generator, level: float = LEVEL
) -> MeanInterval:
    """Mean per token with a bootstrap interval over prompts; `sums` and `counts` are those of each prompt."""
    total, n = np.asarray(sums, float), np.asarray(counts, float)
    value = float(total.sum() / n.sum())
    if len(total) < 2:
        return MeanInterval(value, -math.inf, math.inf, level, len(total))
    drawn = rng.integers(0, len(total), (REPLICATES, len(total)))
    means = total[drawn].sum(axis=1) / n[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return MeanInterval(value, float(low), float(high), level, len(total))


def visible_mean(mean: MeanInterval, limit: float) -> float:
    """The smallest mean that a run of this spread would put above the limit four times in five."""
    width = float(scipy.stats.norm.ppf((1 + mean.level) / 2))
    deviation = (mean.high - mean.low) / (2 * width)
    return limit + (width + float(scipy.stats.norm.ppf(POWER))) * deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Right answers of both on the same items; `p_value` is McNemar's, exact and two-sided.

    `change` is candidate − reference, a share of the items, with an interval of 95 %. `visible` is the smallest drop
    that would have been seen four times in five.
    """

    n: int
    reference: float
    candidate: float
    lost: int
    won: int
    p_value: float
    change: float
    low: float
    high: float
    visible: float


def paired(reference: Sequence[bool], candidate: Sequence[bool]) -> Paired:
    """Compare two sets of answers item by item."""
    a, b = np.asarray(reference, bool), np.asarray(candidate, bool)
    n, lost, won = len(a), int((a & ~b).sum()), int((~a & b).sum())
    change = (won - lost) / n
    # Wald's interval with Agresti and Min's half count in each cell (2005).
    up, down, m = won + 0.5, lost + 0.5, n + 2
    half = 1.96 * math.sqrt(max(up + down - (up - down) ** 2 / m, 0.0)) / m
    middle = (up - down) / m
    return Paired(
        n=n,
        reference=float(a.mean()),
        candidate=float(b.mean()),
        lost=lost,
        won=won,
        p_value=mcnemar(lost, won),
        change=change,
        low=max(middle - half, -1.0),
        high=min(middle + half, 1.0),
        visible=visible_drop(n, 2 * min(lost, won) / n),
    )


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p-value that items change in both directions alike."""
    return 1.0 if lost + won == 0 else float(scipy.stats.binomtest(lost, lost + won, 0.5).pvalue)


def visible_drop(n: int, churn: float) -> float:
    """The smallest drop in the share of right answers that McNemar's exact test sees four times in five.

    `churn` is the share of items that change without any drop, half of them either way. 1 if n is too small for any.
    """
    low, high = 0.0, 1.0 - churn
    if high <= 0 or _power(n, churn, high) < POWER:
        return 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if _power(n, churn, middle) >= POWER else (middle, high)
    return high


def _power(n: int, churn: float, drop: float) -> float:
    """Chance of a significant loss where `churn + drop` of the items change, `churn / 2 + drop` for the worse."""
    changed = np.arange(n + 1)
    weight = scipy.stats.binom.pmf(changed, n, min(churn + drop, 1.0))
    worse = (churn / 2 + drop) / (churn + drop)
    # Significant with at least this many losses among those changed.
    needed = scipy.stats.binom.isf((1 - LEVEL) / 2, changed, 0.5) + 1
    return float(np.sum(weight * scipy.stats.binom.sf(needed - 1, changed, worse)))
