"""Whether intervals hold what they promise: coverage and width by split and by group, and at other nominal coverages.

Every case is judged by bands that its fold's points had no part in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.calibration.band_fit import BandSample, band_sample, half_widths, out_of_fold
from paretoken.predict.calibration.bands import COVERAGES, NOMINAL, Bands
from paretoken.predict.calibration.sample import OUTCOMES, CalibrationSample
from paretoken.predict.calibration.validate import HeldOut

SHOWN: Mapping[str, int] = {name: OUTCOMES.index(o) for name, o in (("tpot", "tpot"), ("throughput", "e2e"))} | {
    "ttft": OUTCOMES.index("ttft"),
    "mean ttft": OUTCOMES.index("mean_ttft"),
}
"""What is reported, by its place among OUTCOMES: throughput is the inverse of E2E."""
GROUPED_BY = ("accelerator", "engine", "model", "source")
FEWEST_IN_GROUP = 20
RANGE = (0.85, 0.95)
"""Coverage that a group's 90 % intervals should have."""
IN_PROCESSES = 8
"""Folds from which other processes are worth their start."""


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Held-out cases with their intervals: `widths` (n, outcomes, sides), `reach` (n, coverages, outcomes, sides)."""

    cases: BandSample
    splits: tuple[str, ...]
    widths: Floats
    reach: Floats

    def of_split(self, split: str) -> Mask:
        """The mask of a split's cases that count."""
        own = [i for i, name in enumerate(self.splits) if name == split]
        return np.isin(self.cases.fold, own) & self.cases.counted

    def inside(self, outcome: int, coverage: float = NOMINAL) -> Mask:
        """Which cases were observed inside the interval of a nominal coverage."""
        h = self.widths[:, outcome] * self.reach[:, COVERAGES.index(coverage), outcome]
        r = self.cases.residual[:, outcome]
        return np.asarray((r >= -h[:, 0]) & (r <= h[:, 1]))

    def ratio(self, outcome: int) -> Floats:
        """Upper over lower end of the 90 % intervals."""
        return np.asarray(np.exp(self.widths[:, outcome].sum(axis=1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCoverage:
    """Cases of a split that share an accelerator, an engine, …: how many 90 % intervals hold, and the median width.

    `width` is the upper over the lower end.
    """

    split: str
    by: str
    group: str
    outcome: str
    cases: int
    coverage: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NominalCoverage:
    """The share of a split's cases inside intervals of a nominal coverage."""

    split: str
    outcome: str
    nominal: float
    observed: float


def intervals(
    folds: Sequence[HeldOut],
    sample: CalibrationSample,
    catalog: Catalog,
    *,
    workers: int = 1,
    on_progress: Callable[[str], None] = lambda text: None,
) -> Intervals:
    """Intervals of all that was held out, by bands fitted without the points of its fold."""
    cases, total = band_sample(folds, sample, catalog), len(folds)

    def progress(fitted: Iterator[tuple[int, Bands]]) -> Iterator[tuple[int, Bands]]:
        for fold, bands in fitted:
            on_progress(f"intervals without {folds[fold].fold.split} {folds[fold].fold.name} ({fold + 1} of {total})")
            yield fold, bands

    if total < IN_PROCESSES or workers == 1:
        widths, reach = half_widths(cases, progress(out_of_fold(cases)))
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            widths, reach = half_widths(cases, progress(out_of_fold(cases, pool)))
    return Intervals(cases, tuple(h.fold.split for h in folds), widths, reach)


def group_coverage(x: Intervals, table: pl.DataFrame, fewest: int = FEWEST_IN_GROUP) -> list[GroupCoverage]:
    """Coverage and width of every group with enough cases, by split."""
    out = []
    for split in dict.fromkeys(x.splits):
        in_split = x.of_split(split)
        for by in GROUPED_BY:
            names = table[by].to_numpy()[x.cases.row]
            for group in sorted(set(names[in_split])):
                for outcome, place in SHOWN.items():
                    at = in_split & (names == group) & np.isfinite(x.cases.residual[:, place])
                    if at.sum() >= fewest:
                        coverage, width = covered(x, place, at)
                        out.append(
                            GroupCoverage(
                                split=split,
                                by=by,
                                group=group,
                                outcome=outcome,
                                cases=int(at.sum()),
                                coverage=coverage,
                                width=width,
                            )
                        )
    return out


def covered(x: Intervals, place: int, at: Mask) -> tuple[float, float]:
    """Coverage and median width of an outcome's 90 % intervals over the cases of a mask; NaN where there are none."""
    if not at.any():
        return float("nan"), float("nan")
    return float(x.inside(place)[at].mean()), float(np.median(x.ratio(place)[at]))


def nominal_coverage(x: Intervals) -> list[NominalCoverage]:
    """Observed against nominal coverage, by split and outcome."""
    out = []
    for split in dict.fromkeys(x.splits):
        for outcome, place in SHOWN.items():
            at = x.of_split(split) & np.isfinite(x.cases.residual[:, place])
            if at.sum() >= FEWEST_IN_GROUP:
                out += [
                    NominalCoverage(
                        split=split, outcome=outcome, nominal=c, observed=float(x.inside(place, c)[at].mean())
                    )
                    for c in COVERAGES
                ]
    return out
