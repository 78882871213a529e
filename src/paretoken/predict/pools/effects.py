"""Which effects of the calibration bear on pooled cases, besides those on single workers.

    pool_decode    ln of a factor on decode steps; effects of `users` go by the batch of a worker
    pool_prefill   on prompts
    pool_lead      on the way to the scheduler, through the router
    pool_run       on the time of a whole run, of which published throughputs are

Levels and covariates are those of `calibration.levels`, of one worker under the name of the disaggregated engine:
the decode worker for `pool_decode` and `pool_run`, the prefill worker for the others. Prior deviations are in
`data/deviations.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.effects import EffectKey, active
from paretoken.predict.calibration.levels import covariates, groups
from paretoken.predict.deployment import Case, Deployment
from paretoken.predict.pools.layout import PooledCase

DECODE, PREFILL, LEAD, RUN = TERMS = ("pool_decode", "pool_prefill", "pool_lead", "pool_run")
MIDDLE = 16.0
"""The batch at which the covariate `users` is zero."""


@dataclass(frozen=True, slots=True)
class PoolEffects:
    """The effects on one term of a case with their weights; `sloped` are to be weighted by `load_weight` besides."""

    level: list[tuple[EffectKey, float]]
    sloped: list[tuple[EffectKey, float]]


@dataclass(frozen=True, slots=True, eq=False)
class PoolSums:
    """What the effects of each case add up to, shape (n,): by term, and the slope of `pool_decode` over the load."""

    level: Mapping[str, Floats]
    slope: Floats


def load_weight(batch: Floats) -> Floats:
    """The covariate `users` at batches of a worker."""
    weight: Floats = (np.log2(np.maximum(batch, 1e-9)) - np.log2(MIDDLE)) / 3
    return weight


def worker_case(c: PooledCase, worker: Deployment) -> Case:
    """One worker under the name of the disaggregated engine."""
    deployment = replace(worker, engine=c.pools.engine)
    return Case(deployment=deployment, lengths=c.lengths, concurrency=MIDDLE, period=c.period)


def bearing_on(c: PooledCase, catalog: Catalog) -> dict[str, PoolEffects]:
    """The effects that bear on a case, by term."""
    return {term: _effects_of(term, case, catalog) for term, case in _worker_of_terms(c).items()}


def _worker_of_terms(c: PooledCase) -> dict[str, Case]:
    """The worker whose groups each term has."""
    prefill, decode = worker_case(c, c.pools.prefill), worker_case(c, c.pools.decode)
    return {DECODE: decode, RUN: decode, PREFILL: prefill, LEAD: prefill}


def _effects_of(term: str, case: Case, catalog: Catalog) -> PoolEffects:
    group, covariate = groups(case, catalog), covariates(case, catalog) | {"users": 1.0}

    def of(*kinds: str) -> Iterator[tuple[EffectKey, float]]:
        for kind in kinds:
            yield from active(term, case, group, covariate, kind)

    return PoolEffects([*of("", "lengths")], [*of("users")])


def pool_sums(cases: Sequence[PooledCase], values: Mapping[EffectKey, float], catalog: Catalog) -> PoolSums:
    """The weighted sums of the effects on each case; those of a worker are added up once."""

    @cache
    def summed(term: str, case: Case) -> tuple[float, float]:
        effects = _effects_of(term, case, catalog)
        level, slope = (sum(values.get(key, 0.0) * w for key, w in e) for e in (effects.level, effects.sloped))
        return level, slope

    workers = [_worker_of_terms(c) for c in cases]
    return PoolSums(
        {term: np.array([summed(term, w[term])[0] for w in workers]) for term in TERMS},
        np.array([summed(DECODE, w[DECODE])[1] for w in workers]),
    )
