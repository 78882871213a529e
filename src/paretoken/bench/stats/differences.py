"""The difference of each figure at one load, with its interval and p-value before correction.

Within one run each, the difference B/A − 1 is bootstrapped in blocks of neighbouring requests; where a load
was repeated, the spread between repeats is used instead. Errors are compared by Fisher's exact test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from paretoken.bench.stats.arrays import Floats
from paretoken.bench.stats.figures import FIGURES, ComparedFigure, ComparedLevel
from paretoken.bench.stats.goodput import wilson
from paretoken.bench.stats.quantiles import supported
from paretoken.plural import counted

LEVEL = 0.95
ERROR_RATE = ComparedFigure("error rate", lambda level: np.zeros(0), unit="share")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDifference:
    """A difference before correction; `spread` is the standard error of the change.

    `deviations` are the distances of bootstrapped changes from the change, shape (draws,); None without a bootstrap.
    `freedom` are the degrees of freedom of a spread between repeats.
    """

    figure: ComparedFigure
    load: tuple[str, float]
    a: float
    b: float
    low: float
    high: float
    p_value: float
    spread: float
    basis: str
    deviations: Floats | None = None
    freedom: float = math.inf

    @property
    def change(self) -> float:
        return self.b - self.a if self.figure is ERROR_RATE else self.b / self.a - 1

    def noise(self, alpha: float) -> float:
        """The change that equal runs exceed with a probability of `alpha`, to either side."""
        if self.deviations is None:
            return float(stdtrit(self.freedom, 1 - alpha / 2)) * self.spread
        return float(np.quantile(self.deviations, 1 - alpha))


def raw_differences(
    load: tuple[str, float], a: list[ComparedLevel], b: list[ComparedLevel], rng: np.random.Generator
) -> list[RawDifference]:
    """Every figure that both sides have; the error rate where a request failed on either."""
    raw = [_errors(load, a, b), *(_difference(figure, load, a, b, rng) for figure in FIGURES)]
    return [one for one in raw if one is not None]


def scarce_figures(a: list[ComparedLevel], b: list[ComparedLevel]) -> dict[tuple[float, int, int], list[str]]:
    """Quantiles with too few samples to compare: by quantile and the most samples of a level of A and of B."""
    scarce: dict[tuple[float, int, int], list[str]] = {}
    for figure in FIGURES:
        sizes = [max(map(figure.samples, side)) for side in (a, b)]
        if figure.quantile and min(sizes) and not all(supported(n, figure.quantile) for n in sizes):
            scarce.setdefault((figure.quantile, sizes[0], sizes[1]), []).append(figure.name)
    return scarce


def _errors(load: tuple[str, float], a: list[ComparedLevel], b: list[ComparedLevel]) -> RawDifference | None:
    """Failures among the requests that ended, all repeats together: Fisher's exact test, Newcombe's interval."""
    errors_a, errors_b = ([level.summary.errors for level in side] for side in (a, b))
    bad_a, bad_b = (sum(e.failed for e in side) for side in (errors_a, errors_b))
    n_a, n_b = (sum(e.ok + e.failed for e in side) for side in (errors_a, errors_b))
    if not bad_a + bad_b or not n_a or not n_b:
        return None
    from scipy import stats  # half a second that a comparison without errors is spared

    share_a, share_b, both = bad_a / n_a, bad_b / n_b, (bad_a + bad_b) / (n_a + n_b)
    (low_a, high_a), (low_b, high_b) = wilson(bad_a, n_a), wilson(bad_b, n_b)
    low = share_b - share_a - math.hypot(share_b - low_b, high_a - share_a)
    high = share_b - share_a + math.hypot(high_b - share_b, share_a - low_a)
    p = float(stats.fisher_exact(np.array([[bad_a, n_a - bad_a], [bad_b, n_b - bad_b]])).pvalue)
    spread = math.sqrt(both * (1 - both) * (1 / n_a + 1 / n_b))
    return RawDifference(
        figure=ERROR_RATE,
        load=load,
        a=share_a,
        b=share_b,
        low=low,
        high=high,
        p_value=p,
        spread=spread,
        basis=f"{n_a} against {counted(n_b, 'ended request')}",
    )


def _difference(
    figure: ComparedFigure,
    load: tuple[str, float],
    a: list[ComparedLevel],
    b: list[ComparedLevel],
    rng: np.random.Generator,
) -> RawDifference | None:
    ours = [v for v in map(figure.value, a) if v]
    theirs = [v for v in map(figure.value, b) if v]
    if not ours or not theirs:
        return None
    if len(ours) > 1 or len(theirs) > 1:
        return _between_runs(figure, load, np.array(ours), np.array(theirs))
    one, other = (next(x for x in side if figure.value(x)) for side in (a, b))
    return _bootstrapped(figure, load, one, other, rng)


def _bootstrapped(
    figure: ComparedFigure, load: tuple[str, float], a: ComparedLevel, b: ComparedLevel, rng: np.random.Generator
) -> RawDifference | None:
    """One run each: the spread of B*/A* − 1 over bootstrapped pairs, centred on what was seen.

    None where A is so noisy that its change has no upper bound.
    """
    va, vb = figure.value(a), figure.value(b)
    if not va or not vb:
        return None
    drawn = _drawn_changes(figure.replicates(a, rng), figure.replicates(b, rng))
    if drawn is None:
        return None
    change = vb / va - 1
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    # Tiny rounding differences of equal constants are no difference.
    deviations = np.abs(drawn - change)
    p = (1 + int((deviations >= abs(change) - 1e-12).sum())) / (len(drawn) + 1)
    return RawDifference(
        figure=figure,
        load=load,
        a=va,
        b=vb,
        low=float(low),
        high=float(high),
        p_value=p,
        spread=float(drawn.std()),
        deviations=deviations,
        basis="blocks within one run each",
    )


def _drawn_changes(a: Floats, b: Floats) -> Floats | None:
    """B*/A* − 1 of each pair of replicates, at least −1; None if too many A* are 0 or less to bound it from above.

    The replicates of a mean of few blocks are widened, so some may be negative although no rate is.
    """
    bounded = a > 0
    if 1 - bounded.mean() >= (1 - LEVEL) / 2:
        return None
    changes = np.maximum(b, 0.0) / np.where(bounded, a, 1.0) - 1
    changes[~bounded] = changes[bounded].max()
    return changes


def _between_runs(figure: ComparedFigure, load: tuple[str, float], a: Floats, b: Floats) -> RawDifference:
    """Repeats: t on the logarithms, whose difference is that of the ratio.

    Welch's where both sides have them; else Student's, the spread of the repeats standing for both.
    """
    la, lb = np.log(a), np.log(b)
    variances = [float(x.var(ddof=1)) if len(x) > 1 else None for x in (la, lb)]
    variance = next(v for v in variances if v is not None)
    va, vb = ((variance if v is None else v) / len(x) for v, x in zip(variances, (la, lb), strict=True))
    step, spread = lb.mean() - la.mean(), math.sqrt(va + vb)
    freedom = math.inf
    if spread == 0:
        p, half = (1.0 if step == 0 else 0.0), 0.0
    else:
        single = min(len(la), len(lb)) == 1
        freedom = max(len(la), len(lb)) - 1 if single else _welch_freedom(va, len(la), vb, len(lb))
        p = float(2 * stdtr(freedom, -abs(step) / spread))
        half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * spread
    basis = f"{len(a)} against {len(b)} repeats"
    return RawDifference(
        figure=figure,
        load=load,
        a=math.exp(la.mean()),
        b=math.exp(lb.mean()),
        low=math.expm1(step - half),
        high=math.expm1(step + half),
        p_value=p,
        spread=spread,
        freedom=freedom,
        basis=basis,
    )


def _welch_freedom(va: float, na: int, vb: float, nb: int) -> float:
    return (va + vb) ** 2 / (va**2 / (na - 1) + vb**2 / (nb - 1))


def holm(p_values: Floats) -> Floats:
    """Holm's step-down p-values: sorted ones times n, n − 1, …, never falling, at most 1."""
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    stepped = np.minimum(np.maximum.accumulate(p_values[order] * (n - np.arange(n))), 1.0)
    corrected = np.empty(n)
    corrected[order] = stepped
    return corrected
