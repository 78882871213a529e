"""How unevenly the ranks of expert parallelism are loaded.

Chance deals the experts of a batch to R ranks: `terms.busiest_rank` has that. Beyond it experts differ in popularity,
as `terms.active_experts` assumes: their shares are exponential. Without a balancer the load of a rank of k = E/R
experts follows a gamma distribution, so the busiest has (1 − 1/9k + x/3·sqrt(1/k))³ times the mean (Wilson and
Hilferty, 1931), x being `rank_excess`. Calibrated multipliers hold the excess of NARROW ranks, which is subtracted.

A balancer (EPLB) with r redundant experts copies the popular ones. No slot then has more than t = ln(1 + E/r) times
the load of a mean expert: copies needed for that number Σ_j E·exp(−j·t) = r. Ranks are as even as the hottest slot
allows, max(1, t·R/E). We assume that popularity is known and steady, so what is left is an upper bound on the gain.
"""

from __future__ import annotations

from math import log, sqrt
from statistics import NormalDist

from paretoken.predict.topology import NARROW

BLOM = 0.375
"""Constant of Blom's formula for order statistics (Statistical Estimates and Transformed Beta-Variables, 1958)."""


def rank_excess(ranks: int) -> float:
    """Expected excess of the largest of `ranks` normal numbers over their mean, in standard deviations."""
    return NormalDist().inv_cdf((ranks - BLOM) / (ranks + 1 - 2 * BLOM))


def popular_load(ranks: int, experts: int, redundant: int) -> float:
    """Load of the busiest rank over the mean, for the popularity of its experts; 1 for `NARROW` ranks and fewer."""
    if ranks <= NARROW:
        return 1.0
    alone = 1 + _busiest(ranks, experts) - _busiest(NARROW, experts)
    if not redundant:
        return alone
    return min(alone, max(1.0, log(1 + experts / redundant) * ranks / experts))


def _busiest(ranks: int, experts: int) -> float:
    """Load of the busiest rank over the mean, with experts of exponential popularity and no balancer."""
    per_rank = experts / ranks
    root = 1 - 1 / (9 * per_rank) + rank_excess(ranks) / 3 / sqrt(per_rank)
    return root * root * root
