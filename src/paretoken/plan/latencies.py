"""Statistics of simulated latencies, by the metrics and statistics of SLOs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from paretoken.predict.simulation.result import SimulationResult
from paretoken.slo import STATISTICS, Slo
from paretoken.traffic.traffic import Floats

Figures = Mapping[tuple[str, str], float]
"""Seconds by metric and statistic; a metric of no values is absent."""
QUANTILE = {name: float(f"0.{name[1:]}") for name in STATISTICS if name != "mean"}


@dataclass(frozen=True, slots=True, eq=False)
class Latencies:
    """Seconds of each request, shape (n,): TPOT is NaN for a single token. `itl` has a value for each gap of all
    requests together, None where no SLO needs it."""

    ttft: Floats
    tpot: Floats
    e2e: Floats
    itl: Floats | None = None

    @classmethod
    def of(
        cls, run: SimulationResult, counted: slice | npt.NDArray[np.bool_] = slice(None), *, itl: bool = False
    ) -> Latencies:
        """Those of the counted requests of a run."""
        gaps = None
        if itl:
            chosen = np.arange(len(run.due_s))[counted].tolist()
            by_request = [np.diff(times) for times, _ in run.token_times(chosen)]
            gaps = np.concatenate(by_request) if by_request else np.empty(0)
        return cls(run.ttft_s[counted], run.tpot_s[counted], run.e2e_s[counted], gaps)

    def figures(self) -> dict[tuple[str, str], float]:
        """Every statistic of every metric that has values."""
        result = {}
        for metric in (f.name for f in fields(self)):
            values = getattr(self, metric)
            values = values[~np.isnan(values)] if values is not None else np.empty(0)
            if values.size:
                result[metric, "mean"] = float(values.mean())
                quantiles = np.quantile(values, list(QUANTILE.values())).tolist()
                result |= {(metric, name): q for name, q in zip(QUANTILE, quantiles, strict=True)}
        return result


def ratios(figures: Figures, slos: Iterable[Slo]) -> dict[Slo, float]:
    """Value over bound of each limit, 0 where the metric has no values."""
    return {slo: figures.get((slo.metric, slo.statistic), 0.0) / slo.bound_s for slo in slos}


def meets(figures: Figures, slos: Iterable[Slo]) -> bool:
    """Whether every limit is met."""
    return all(ratio <= 1 for ratio in ratios(figures, slos).values())


def needs_itl(slos: Iterable[Slo]) -> bool:
    """Whether a limit is on ITL, whose values cost time to compute."""
    return any(slo.metric == "itl" for slo in slos)
