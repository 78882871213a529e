"""Which effects bear on which case, with which weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import add, mul
from typing import Generic, TypeVar

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.effects import FACTORS, EffectKey, active
from paretoken.predict.calibration.levels import LOAD_COVARIATES, covariates, groups, load_covariates, load_groups
from paretoken.predict.deployment import Case, Deployment
from paretoken.predict.settings import DEFAULT
from paretoken.predict.terms import TERMS

Place = TypeVar("Place")
OF_A_CURVE = ("", "lengths", *LOAD_COVARIATES)
"""How effects vary whose places all loads of a curve share."""
BOUND = 4.0
"""ln of the largest factor by which a multiplier may leave its base constant: physics bounds of 55 either way."""


@dataclass(frozen=True, slots=True)
class Part(Generic[Place]):
    """Effects by their places, each with its weight."""

    at: list[Place]
    weights: list[float]

    @classmethod
    def of(cls, effects: Iterable[tuple[EffectKey, float]], place: Callable[[EffectKey], Place | None]) -> Part[Place]:
        """Those of the effects that have a place."""
        part = cls([], [])
        for key, weight in effects:
            if (at := place(key)) is not None:
                part.at.append(at)
                part.weights.append(weight)
        return part

    def weighing(self, weight: float) -> Part[Place]:
        """The same, all with one weight."""
        return Part(self.at, [weight] * len(self.at))


def log_sums(
    cases: Sequence[Case], values: Mapping[EffectKey, float], catalog: Catalog
) -> tuple[list[list[float]], list[list[float]]]:
    """What the effects of each case add up to: ln of the multipliers (n, terms) and of the factors (n, factors)."""
    of_machine: dict[object, tuple[list[float], list[float]]] = {}
    curves: dict[object, _CurveSums] = {}
    terms, factors = [], []
    for case in cases:
        machine = (*machine_of(case), case.period)
        curve = (machine, case.lengths)
        sums = curves.get(curve)
        if sums is None:
            sums = curves[curve] = _CurveSums.of(case, values, catalog)
            if machine not in of_machine:
                of_machine[machine] = (
                    [sums.sum_of(case, name, "", values) for name in TERMS],
                    [sums.sum_of(case, name, "", values) for name in FACTORS],
                )
        of_terms, of_factors = of_machine[machine]
        terms.append(of_terms)
        factors.append(list(map(add, of_factors, sums.factors(case, values))))
    return terms, factors


@dataclass(frozen=True, slots=True)
class _CurveSums:
    """What all loads of a curve share: groups, covariates, and for each factor the sums of its effects.

    They are that of effects which vary with the lengths, and those to be weighted by `LOAD_COVARIATES`.
    """

    group: dict[str, str]
    covariate: dict[str, float]
    sums: list[tuple[float, ...]]

    @classmethod
    def of(cls, case: Case, values: Mapping[EffectKey, float], catalog: Catalog) -> _CurveSums:
        group, covariate = groups(case, catalog), covariates(case, catalog)
        shared = cls(group, covariate | dict.fromkeys(LOAD_COVARIATES, 1.0), [])
        shared.sums.extend(
            tuple(shared.sum_of(case, name, v, values) for v in ("lengths", *LOAD_COVARIATES)) for name in FACTORS
        )
        return shared

    def sum_of(self, case: Case, name: str, varying_with: str, values: Mapping[EffectKey, float]) -> float:
        """The weighted sum of the effects of a term that vary with the load so."""
        bear = active(name, case, self.group, self.covariate, varying_with)
        return sum(values.get(key, 0.0) * weight for key, weight in bear)

    def factors(self, case: Case, values: Mapping[EffectKey, float]) -> list[float]:
        """What varies of the factors' logarithms with the lengths and the load of a case."""
        at, group = load_covariates(case), load_groups(case, self.group)
        return [
            of_lengths
            + sum(map(mul, weighted, at.values()))
            + sum(values.get(k, 0.0) * w for k, w in active(name, case, group, self.covariate, "load"))
            for name, (of_lengths, *weighted) in zip(FACTORS, self.sums, strict=True)
        ]


def bearing(
    cases: Sequence[Case], catalog: Catalog, place: Callable[[EffectKey], Place | None]
) -> Iterator[dict[str, list[Part[Place]]]]:
    """The effects that bear on each case by term, in parts; those of the machine come only with its first case.

    All loads of a curve share what does not vary with the load, and the places of what varies in its weight alone.
    """
    machines: set[object] = set()
    curves: dict[object, tuple[dict[str, str], dict[str, list[Part[Place]]]]] = {}
    for case in cases:
        machine, covariate = machine_of(case), covariates(case, catalog)
        names = FACTORS if machine in machines else (*TERMS, *FACTORS)
        machines.add(machine)
        curve = (machine, case.lengths, case.period)
        if curve not in curves:
            group = groups(case, catalog)
            curves[curve] = (
                group,
                {term: [Part.of(active(term, case, group, covariate, v), place) for v in OF_A_CURVE] for term in names},
            )
        group, of_curve = curves[curve]
        group = {**group, **load_groups(case, group)}
        yield {
            term: [
                *of_curve[term][: -len(LOAD_COVARIATES)],
                *(p.weighing(covariate[v]) for v, p in zip(LOAD_COVARIATES, of_curve[term][2:], strict=True)),
                Part.of(active(term, case, group, covariate, "load"), place),
            ]
            for term in names
        }


def machine_of(case: Case) -> tuple[Deployment, str]:
    """What the terms' effects depend on: the deployment but for its settings, and the harness."""
    return _unset(case.deployment), case.harness


@lru_cache(maxsize=16384)
def _unset(deployment: Deployment) -> Deployment:
    return replace(deployment, settings=DEFAULT)
