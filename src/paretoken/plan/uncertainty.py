"""How far a prediction may be off, and what that does to a limit.

An error is a factor on latencies. Its logarithm is taken as two halves of normal distributions, one for each end of the
90 % interval, that meet at the prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.plan.candidate import FleetCandidate
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.bands import NORMAL_90
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.predictor import PoolPredictions, predict_pools
from paretoken.predict.predictor import Predictions, predict_cases

TTFT, TPOT, E2E = "ttft", "tpot", "e2e"
OF_TOKENS = {TPOT: TPOT, "itl": TPOT, E2E: E2E, TTFT: TTFT}
"""The metric whose interval applies to each metric: ITL has that of TPOT."""


@dataclass(frozen=True, slots=True)
class LatencyError:
    """ln of the ends of the 90 % interval over the prediction, (low, high), by metric; `novelty` in words."""

    ends: Mapping[str, tuple[float, float]]
    novelty: tuple[str, ...]

    def factors(self, metric: str, normal: Floats) -> Floats:
        """Errors of standard normal draws, as factors, of their shape."""
        low, high = self.ends[OF_TOKENS[metric]]
        return np.exp(normal / NORMAL_90 * np.where(normal > 0, high, -low))


def latency_errors(
    candidates: Sequence[FleetCandidate],
    lengths: Lengths,
    users: Sequence[float],
    calibration: Calibration,
    catalog: Catalog,
) -> list[LatencyError]:
    """The errors of checked candidates, each at its number of concurrent requests."""
    cases = list(zip((c.deployment for c in candidates), users, strict=True))
    single = [Case(deployment=d, lengths=lengths, concurrency=n) for d, n in cases if isinstance(d, Deployment)]
    pooled = [PooledCase(pools=d, lengths=lengths, concurrency=n) for d, n in cases if not isinstance(d, Deployment)]
    of_single = _errors(predict_cases(single, calibration=calibration, catalog=catalog)) if single else iter(())
    of_pooled = _errors(predict_pools(pooled, calibration=calibration, catalog=catalog)) if pooled else iter(())
    return [next(of_single if isinstance(d, Deployment) else of_pooled) for d, _ in cases]


def _errors(p: Predictions | PoolPredictions) -> Iterator[LatencyError]:
    """Both kinds have TPOT, E2E and a TTFT in this order: the median of one pool, the mean of two."""
    for words, band in zip(p.novelty, p.log_band.tolist(), strict=True):
        yield LatencyError(dict(zip((TPOT, E2E, TTFT), map(tuple, band), strict=False)), words)
