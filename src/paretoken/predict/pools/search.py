"""The best layouts of a disaggregated deployment: worker kinds of each pool, their ratio, and the load.

A layout is counted in lowest terms: 2xTP8+2xTP8 is two replicas of 1xTP8+1xTP8, and serves as many tokens per GPU. It
has at most the GPUs of the space, and at most `MOST_OF_A_LAYOUT`. The others serve further replicas, or idle. Layouts
compete by throughput per rented GPU, so idle ones count.

Layouts that are best by rough figures (see `candidates`) are predicted at their loads and the next ones. Then the loads
of the best are narrowed down to the limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, ParetokenError
from paretoken.plural import counted
from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.configure import MAX_USERS
from paretoken.predict.pools.candidates import LOADS, RoughLayouts, SearchSpace, excess, promising, rough_layouts
from paretoken.predict.pools.layout import PooledCase, Pools, checked_pools, require_decode
from paretoken.predict.pools.predictor import PoolPredictions, predict_pools
from paretoken.slo import Slo

NARROWED, STEPS, TIMES = 40, 6, 2
"""Layouts whose load is narrowed down, users tried each time, and how many times."""
NEARLY = 0.995
"""Share of the best throughput at which fewer users are preferred."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PoolSearch:
    """What a search predicted, shape (n,): seconds, tokens/s, and the largest ratio of a median to its limit.

    `tput` is per GPU of the layout, `rented` per GPU of the space. A case has the users of one replica.
    `excess_but_tpot` leaves out the limits of TPOT, which is the axis of a frontier. `layouts` counts those compared.
    """

    cases: list[PooledCase]
    ttft_s: Floats
    tpot_s: Floats
    tput: Floats
    rented: Floats
    excess: Floats
    excess_but_tpot: Floats
    layouts: int

    def best(self, most: int) -> list[int]:
        """Places of the best cases within the limits per rented GPU, one for each pair of worker kinds."""
        by_layout: dict[Pools, list[int]] = {}
        for i in np.flatnonzero(self.excess <= 1).tolist():
            by_layout.setdefault(self.cases[i].pools, []).append(i)
        fewest = [self._fewest_users(places) for places in by_layout.values()]
        by_pair: dict[object, int] = {}
        for i in sorted(fewest, key=lambda i: (-self.rented[i], self.cases[i].pools.gpus, self.cases[i].pools.layout)):
            by_pair.setdefault((self.cases[i].pools.prefill, self.cases[i].pools.decode), i)
        return list(by_pair.values())[:most]

    def _fewest_users(self, places: Sequence[int]) -> int:
        least = NEARLY * max(self.tput[i] for i in places)
        return min((i for i in places if self.tput[i] >= least), key=lambda i: self.cases[i].concurrency)

    def rank(self, places: Sequence[int]) -> tuple[bool, float]:
        """The sort key of a layout with cases at places: by throughput within the limits, else by how far it is off."""
        within = [i for i in places if self.excess[i] <= 1]
        return (False, -max(self.rented[within])) if within else (True, min(self.excess[places]))

    def frontier(self) -> list[int]:
        """Places of the cases within all limits but those of TPOT that no other beats in TPOT and per rented GPU."""
        return pareto_places(self.tpot_s, self.rented, self.excess_but_tpot <= 1)


def pareto_places(tpot_s: Floats, tput: Floats, among: Mask) -> list[int]:
    """Places, among those of a mask, that no other beats in TPOT and throughput, by rising TPOT."""
    places = np.flatnonzero(among)
    places = places[np.lexsort((-tput[places], tpot_s[places]))]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(tput[places])[:-1]])[: len(places)]
    kept: list[int] = places[tput[places] > before].tolist()
    return kept


def search_pools(
    space: SearchSpace, limits: Sequence[Slo] = (), *, calibration: Calibration, catalog: Catalog
) -> PoolSearch:
    """Predict the layouts that may be best, under limits of the medians of TTFT, TPOT and E2E.

    BadConfig if no workers of the space make a layout of its GPUs, or with nothing to decode.
    """
    require_decode(space.lengths)
    but_tpot = [limit for limit in limits if limit.metric != "tpot"]

    def predict(cases: Sequence[PooledCase]) -> PoolPredictions:
        return predict_pools(cases, calibration=calibration, catalog=catalog)

    def judged(cases: Sequence[PooledCase]) -> PoolSearch:
        p = predict(cases)
        ttft_s, tpot_s = p.state.ttft_s, p.state.tpot_s
        return PoolSearch(
            cases=list(cases),
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            tput=p.total_tput_per_gpu,
            rented=p.total_tput_per_gpu * space.used(np.array([c.pools.gpus for c in cases])),
            excess=excess(limits, space.lengths, ttft_s, tpot_s),
            excess_but_tpot=excess(but_tpot, space.lengths, ttft_s, tpot_s),
            layouts=len(np.unique(rough.layouts())),
        )

    rough = rough_layouts(space, predict)
    rough = rough.take(_paired(space, rough, catalog))
    result = judged(list(dict.fromkeys(_around(space, rough, promising(rough, but_tpot, space.lengths)))))
    for _ in range(TIMES if space.loads == LOADS else 0):
        if more := _narrowed(result):
            result = _joined(result, judged(more))
    return result


def _paired(space: SearchSpace, rough: RoughLayouts, catalog: Catalog) -> Mask:
    """The layouts whose two workers can serve together; BadConfig, with why, if there are none."""
    fit = np.zeros((len(space.prefill), len(space.decode)), dtype=bool)
    smallest = min(d.gpus for d in space.prefill) + min(d.gpus for d in space.decode)
    problem: ParetokenError = BadConfig(
        f"no layout has at most {counted(space.gpus, 'GPU')}: the smallest workers of the two pools take {smallest}"
    )
    for p, d in set(zip(rough.prefill.tolist(), rough.decode.tolist(), strict=True)):
        try:
            checked_pools(space.case(p, d, 1, 1, 1).pools, catalog)
            fit[p, d] = True
        except BadConfig as e:
            problem = e
    if not fit.any():
        raise problem
    return fit[rough.prefill, rough.decode]


def _around(space: SearchSpace, rough: RoughLayouts, places: Iterable[int]) -> Iterator[PooledCase]:
    """The layouts of places at their loads and the next higher ones."""
    for i in places:
        load = int(rough.load[i])
        layout = (rough.prefill[i], rough.decode[i], int(rough.prefill_workers[i]), int(rough.decode_workers[i]))
        for users in space.loads[load : load + 2]:
            yield space.case(*layout, users)


def _narrowed(result: PoolSearch) -> list[PooledCase]:
    """The best layouts between the highest load that meets the limits and the next one, which does not or is new."""
    by_layout: dict[Pools, list[int]] = {}
    for i in range(len(result.cases)):
        by_layout.setdefault(result.cases[i].pools, []).append(i)
    order = sorted(by_layout.values(), key=result.rank)
    return [
        replace(result.cases[places[0]], concurrency=n) for places in order[:NARROWED] for n in _loads(result, places)
    ]


def _loads(result: PoolSearch, places: Sequence[int]) -> list[float]:
    """Whole numbers of users to try next, evenly spread in their logarithm."""
    users = sorted((result.cases[i].concurrency, bool(result.excess[i] <= 1)) for i in places)
    low = max((n for n, meets in users if meets), default=users[0][0] / 2)
    high = min((n for n, _ in users if n > low), default=low * 1.5)
    tried = {n for n, _ in users}
    spread = {float(round(n)) for n in np.geomspace(low, high, STEPS + 2)[1:-1]}
    return sorted(n for n in spread - tried if 1 <= n <= MAX_USERS)


def _joined(a: PoolSearch, b: PoolSearch) -> PoolSearch:
    columns = [f.name for f in fields(PoolSearch) if f.name not in ("cases", "layouts")]
    both = {name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in columns}
    return PoolSearch(cases=a.cases + b.cases, layouts=a.layouts, **both)
