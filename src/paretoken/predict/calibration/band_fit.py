"""The fit of intervals to what cross-validation left: quantile regression of both tails, shrunk to what is assumed.

Minimised is, for each outcome and each end,  Σ weight·ρ(r/h₀ − z·h/h₀)  over the tails of 10 and 5 %, ρ being the
pinball loss, smoothed, and h₀ the half-widths of the round before; plus ((ln v − ln v₀)/σ)²/2 over the squared widths
of components and (u/τ)²/2 over the multipliers of groups. The residuals of a cell in a fold err together, so
n of them weigh as n^¼; a third of that, as the same points return in every split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import Bounds, minimize

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Ints, Mask
from paretoken.predict.calibration.bands import (
    COVERAGES,
    KINDS,
    NORMAL_QUANTILES,
    SIDES,
    BandModel,
    Bands,
    Side,
    assumed_width,
    components,
    groups_of,
)
from paretoken.predict.calibration.novelty import Seen, novelty_weights, seen_cases, sites
from paretoken.predict.calibration.sample import OUTCOMES, CalibrationSample, case_columns
from paretoken.predict.calibration.validate import HeldOut
from paretoken.predict.load import kv_slots

TAILS, REACH = (0.1, 0.05), (0.74, 1.0)
"""The tails that are fitted, and how far the first lies, as a start, where the second lies at 1."""
LN_WIDTH = 1.0
"""Prior deviation of ln of a squared width."""
LN_GROUP = {"accelerator": 0.25, "engine": 0.25, "model": 0.3, "cell": 0.4}
"""Prior deviations of the multipliers."""
POWER, WEIGHT = 0.25, 1 / 3
MOST = 16_000
"""Residuals that a fit takes, drawn if there are more: the others lie on the same curves."""
SMOOTH, ROUNDS, STEPS, SEED = 0.08, 2, 25, 7
SMALLEST, FARTHEST = 0.005, 6.0
"""The nearest to zero that a multiplier is kept, and the furthest that the fit looks, in prior deviations."""
FEWEST = 20
UNDATED_SPLITS = ("later dates", "earlier dates")
"""Their rows without a day are held back only to hide what they hold of other days."""


@dataclass(frozen=True, slots=True, eq=False)
class BandSample:
    """Held-out cases of all folds, n in all, with what their bands are made of.

    `row` is the place in the sample, `fold` that in the folds, `weights` has shape (n, kinds), `groups` (n, 4) the
    places of `names` (−1 where a case is new), `residual` (n, outcomes).
    """

    row: Ints
    fold: Ints
    weights: Floats
    groups: Ints
    names: tuple[str, ...]
    residual: Floats
    counted: Mask

    def without(self, fold: int) -> Mask:
        """The mask of what does not touch the points of a fold, in whichever split."""
        in_fold = np.zeros(self.row.max() + 1, dtype=bool)
        in_fold[self.row[self.fold == fold]] = True
        return self.counted & ~in_fold[self.row]

    def group_names(self, mask: Mask) -> list[list[str]]:
        return [[self.names[g] for g in row if g >= 0] for row in self.groups[mask]]


def band_sample(folds: Sequence[HeldOut], sample: CalibrationSample, catalog: Catalog) -> BandSample:
    """What the folds held out, each case as new as it was to the refit without it."""
    where = sites(sample.table)
    columns, load = case_columns(sample.cases, catalog)
    crowding = load.users / kv_slots(columns, load)
    rows: list[int] = []
    weights: list[list[float]] = []
    groups: list[list[str]] = []
    for h in folds:
        mask = h.fold.mask
        learned = [i for i in range(len(sample)) if not mask[i]]
        seen = Seen.of(seen_cases([sample.cases[i] for i in learned], [where[i] for i in learned]))
        for i in map(int, np.flatnonzero(mask)):
            case = sample.cases[i]
            new = novelty_weights(case, seen, site=where[i])
            rows.append(i)
            weights.append(components(case, new, seen, float(crowding[i])))
            groups.append(list(groups_of(case, new)))
    names = tuple(sorted({name for of_case in groups for name in of_case}))
    place = {name: i for i, name in enumerate(names)}
    padded = [[place[name] for name in of_case] + [-1] * (4 - len(of_case)) for of_case in groups]
    row, dated = np.array(rows, dtype=int), sample.table["date"].is_not_null().to_numpy()
    sizes = [int(h.fold.mask.sum()) for h in folds]
    free = np.repeat([h.fold.split not in UNDATED_SPLITS for h in folds], sizes)
    return BandSample(
        row=row,
        fold=np.repeat(np.arange(len(folds)), sizes),
        weights=np.array(weights, dtype=float).reshape(-1, len(KINDS)),
        groups=np.array(padded, dtype=int).reshape(-1, 4),
        names=names,
        residual=np.concatenate([h.residual for h in folds]) if folds else np.empty((0, len(OUTCOMES))),
        counted=free | dated[row],
    )


def fit_bands(s: BandSample, mask: Mask | None = None) -> Bands:
    """The bands that the residuals of a mask show, the assumed ones where there are none."""
    mask = s.counted if mask is None else mask
    return {outcome: {side: _fit_side(s, mask, i, side) for side in SIDES} for i, outcome in enumerate(OUTCOMES)}


def out_of_fold(s: BandSample, executor: Executor | None = None) -> Iterator[tuple[int, Bands]]:
    """Each fold's place with the bands that the others give, none of which has seen the fold's points."""
    folds = sorted(set(s.fold.tolist()))
    fitted = map if executor is None else executor.map
    yield from zip(folds, fitted(partial(_without, s), folds), strict=True)


def _without(s: BandSample, fold: int) -> Bands:
    return fit_bands(s, s.without(fold))


def half_widths(s: BandSample, fitted: Iterable[tuple[int, Bands]]) -> tuple[Floats, Floats]:
    """h of every case by the bands of its own fold, (n, outcomes, sides), and their reach, (n, coverages, …)."""
    widths = np.full((len(s.row), len(OUTCOMES), len(SIDES)), np.nan)
    reach = np.full((len(s.row), len(COVERAGES), len(OUTCOMES), len(SIDES)), np.nan)
    for fold, bands in fitted:
        mine, model = s.fold == fold, BandModel(bands)
        widths[mine] = model.half_widths(s.weights[mine], s.group_names(mine))
        reach[mine] = np.stack([model.reach(c) for c in COVERAGES])
    return widths, reach


@dataclass(frozen=True, slots=True, eq=False)
class _Tail:
    """One end of one outcome: residuals positive beyond the prediction, and parameters in units of their priors.

    Parameters are those of KINDS, of the groups, and ln of the reach of the first tail over REACH.
    """

    residual: Floats
    weights: Floats
    groups: Ints
    weight: Floats
    ln_assumed: Floats
    ln_group: Floats

    def half_widths(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """h, its square before the multipliers, and the squared widths."""
        k = len(KINDS)
        squared = np.exp(self.ln_assumed + LN_WIDTH * x[:k])
        u = np.append(x[k:-1] * self.ln_group, 0.0)  # the place −1 is no group
        base = self.weights @ squared
        return np.sqrt(base) * np.exp(u[self.groups].sum(axis=1)), base, squared

    def loss(self, x: Floats, before: Floats) -> tuple[float, Floats]:
        """The loss and its gradient; `before` are the half-widths of the round before."""
        h, base, squared = self.half_widths(x)
        y, q = self.residual / before, h / before
        total, slope, by_reach = 0.0, np.zeros(len(y)), 0.0
        for tail, reach in zip(TAILS, (REACH[0] * np.exp(x[-1]), REACH[1]), strict=True):
            e = np.exp(np.clip((y - reach * q) / SMOOTH, -40, 40))
            total += float((self.weight * (tail * reach * q + np.log1p(e) * SMOOTH)).sum())
            gain = self.weight * (tail - e / (1 + e))
            slope += reach * gain
            by_reach += float((gain * q).sum()) * reach if tail == TAILS[0] else 0.0
        slope *= q
        by_kind = (self.weights.T @ (slope / base)) * squared * LN_WIDTH / 2
        places = len(self.ln_group) + 1
        by_group = np.sum([np.bincount(g % places, slope, places) for g in self.groups.T], axis=0)
        gradient = np.concatenate([by_kind, by_group[:-1] * self.ln_group, [by_reach]])
        gradient[:-1] += x[:-1]
        return total + 0.5 * float(x[:-1] @ x[:-1]), gradient

    def fit(self) -> Floats:
        x = np.zeros(len(KINDS) + len(self.ln_group) + 1)
        for _ in range(ROUNDS):
            before = self.half_widths(x)[0]
            limits = Bounds(-FARTHEST, FARTHEST)
            x = minimize(self.loss, x, (before,), "L-BFGS-B", True, bounds=limits, options={"maxiter": STEPS}).x
        return x


def _fit_side(s: BandSample, mask: Mask, outcome: int, side: str) -> Side:
    at = np.flatnonzero(mask & np.isfinite(s.residual[:, outcome]))
    weight = _weights(s, at)
    if len(at) > MOST:
        drawn = np.random.default_rng(SEED).random(len(at)) < MOST / len(at)
        at, weight = at[drawn], weight[drawn] * (len(at) / MOST)
    name = OUTCOMES[outcome]
    tail = _Tail(
        residual=s.residual[at, outcome] * (1.0 if side == "high" else -1.0),
        weights=s.weights[at],
        groups=s.groups[at],
        weight=weight,
        ln_assumed=np.array([2 * np.log(assumed_width(name, side, kind)) for kind in KINDS]),
        ln_group=np.array([LN_GROUP[group.split(" ")[0]] for group in s.names]),
    )
    x = tail.fit()
    h, _, squared = tail.half_widths(x)
    u = x[len(KINDS) : -1] * tail.ln_group
    return Side(
        widths={kind: round(float(v**0.5), 4) for kind, v in zip(KINDS, squared, strict=True)},
        groups={g: round(float(v), 3) for g, v in zip(s.names, u, strict=True) if abs(v) >= SMALLEST},
        quantiles=_quantiles(tail.residual / h, weight),
    )


def _weights(s: BandSample, at: Ints) -> Floats:
    """What each residual weighs: those of one cell in one fold together as the fourth root of their number."""
    key = np.stack([s.fold[at], *s.groups[at].T], axis=1)
    _, place, count = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(WEIGHT * count[place.ravel()] ** (POWER - 1.0), dtype=float)


def _quantiles(z: Floats, weight: Floats) -> list[float]:
    """How far the tails of COVERAGES reach, over h; 1 at 90 %, and never less than at a lower coverage."""
    if len(z) < FEWEST:
        return list(NORMAL_QUANTILES)
    order = np.argsort(z)
    share = np.cumsum(weight[order]) / weight.sum()
    reach = np.interp([(1 + c) / 2 for c in COVERAGES], share, z[order])
    middle = COVERAGES.index(0.9)
    scaled = np.maximum(reach / max(reach[middle], 0.2), 0.0)
    scaled[:middle], scaled[middle] = np.minimum(scaled[:middle], 1.0), 1.0
    return [round(float(x), 3) for x in np.maximum.accumulate(scaled)]
