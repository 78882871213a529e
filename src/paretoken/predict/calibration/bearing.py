"""Which effects bear on which case, with which weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Generic, TypeVar

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.effects import FACTORS, EffectKey, active
from paretoken.predict.calibration.levels import LOAD_COVARIATES, covariates, groups, load_groups
from paretoken.predict.deployment import Case
from paretoken.predict.terms import TERMS

Place = TypeVar("Place")
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
    of_machine: dict[object, list[float]] = {}
    terms, factors = [], []
    for case, parts in zip(cases, bearing(cases, catalog, values.get), strict=True):
        machine = (case.deployment, case.harness)
        if machine not in of_machine:
            of_machine[machine] = [_sum(parts[name]) for name in TERMS]
        terms.append(of_machine[machine])
        factors.append([_sum(parts[name]) for name in FACTORS])
    return terms, factors


def _sum(parts: Iterable[Part[float]]) -> float:
    return sum(sum(map(mul, part.at, part.weights)) for part in parts)


def bearing(
    cases: Sequence[Case], catalog: Catalog, place: Callable[[EffectKey], Place | None]
) -> Iterator[dict[str, list[Part[Place]]]]:
    """The effects that bear on each case by term, in parts; those of the machine come only with its first case.

    All loads of a curve share what does not vary with the load, and the places of what varies in its weight alone.
    """
    machines: set[object] = set()
    curves: dict[object, tuple[dict[str, str], dict[str, list[Part[Place]]]]] = {}
    for case in cases:
        machine, covariate = (case.deployment, case.harness), covariates(case, catalog)
        names = FACTORS if machine in machines else (*TERMS, *FACTORS)
        machines.add(machine)
        curve = (machine, case.lengths, case.period)
        if curve not in curves:
            group = groups(case, catalog)
            curves[curve] = (
                group,
                {
                    term: [Part.of(active(term, case, group, covariate, v), place) for v in ("", *LOAD_COVARIATES)]
                    for term in names
                },
            )
        group, of_curve = curves[curve]
        group = {**group, **load_groups(case, group)}
        yield {
            term: [
                of_curve[term][0],
                *(p.weighing(covariate[v]) for v, p in zip(LOAD_COVARIATES, of_curve[term][1:], strict=True)),
                Part.of(active(term, case, group, covariate, "load"), place),
            ]
            for term in names
        }
