"""Cases and effects as sparse matrices: which effect bears on which case, with which weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.effects import FACTORS, EffectKey, active, covariates, groups, prior
from paretoken.predict.deployment import Case
from paretoken.predict.terms import TERMS

BOUND = 4.0
"""ln of the largest factor by which a multiplier may leave its base constant: physics bounds of 55 either way."""


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects that some cases have between them, in a fixed order, with their prior deviations."""

    keys: tuple[EffectKey, ...]
    place: Mapping[EffectKey, int]
    deviation: np.ndarray

    @classmethod
    def of(cls, cases: Sequence[Case], catalog: Catalog) -> Effects:
        """Every effect that bears on any of the cases."""
        found: dict[EffectKey, None] = {}
        for _, terms in _bearing(cases, catalog):
            for some in terms.values():
                found.update((key, None) for key, _ in some)
        keys = tuple(sorted(found))
        return cls(keys, {k: i for i, k in enumerate(keys)}, np.array([prior(k) for k in keys]))

    def values(self, known: Mapping[EffectKey, float]) -> np.ndarray:
        """A vector of the known values, zero for what is not known."""
        return np.array([known.get(k, 0.0) for k in self.keys])


@dataclass(frozen=True, slots=True)
class Design:
    """`terms` holds all terms of each distinct machine row, `machine` says which row a case has.

    Shapes: terms (terms·machines, p) with term fastest, each of the factors (n, p), machine (n,); members (machines, n)
    sums over the cases of a machine row.
    """

    terms: sp.csr_matrix
    machine: np.ndarray
    members: sp.csr_matrix
    factors: tuple[sp.csr_matrix, ...]

    @classmethod
    def of(cls, cases: Sequence[Case], effects: Effects, catalog: Catalog) -> Design:
        """The design of the cases; effects that are not among `effects` are left out, as their best guess is zero."""
        machines: dict[object, int] = {}
        machine = np.empty(len(cases), dtype=int)
        rows = {name: _Rows() for name in ("terms", *FACTORS)}
        for i, (case, terms) in enumerate(_bearing(cases, catalog)):
            machine[i] = m = machines.setdefault((case.deployment, case.harness), len(machines))
            for term, some in terms.items():
                if term in FACTORS:
                    rows[term].add(i, some, effects.place)
                else:
                    rows["terms"].add(m * len(TERMS) + TERMS.index(term), some, effects.place)
        p = len(effects.keys)
        return cls(
            rows["terms"].matrix(len(machines) * len(TERMS), p),
            machine,
            sp.csr_matrix((np.ones(len(cases)), (machine, np.arange(len(cases)))), shape=(len(machines), len(cases))),
            tuple(rows[name].matrix(len(cases), p) for name in FACTORS),
        )

    def apply(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln of the multipliers (n, terms) and of the factors (n, factors)."""
        return self.log_terms(values), np.stack([f @ values for f in self.factors], axis=1)

    def log_terms(self, values: np.ndarray) -> np.ndarray:
        """ln of the multipliers, shape (n, terms)."""
        return (self.terms @ values).reshape(-1, len(TERMS))[self.machine]

    def gather(self, v: np.ndarray) -> np.ndarray:
        """The transpose of `apply`, its two results side by side: (n, terms + factors) summed into effects, (p,)."""
        summed = self.terms.T @ (self.members @ v[:, : len(TERMS)]).ravel()
        return sum((f.T @ v[:, len(TERMS) + i] for i, f in enumerate(self.factors)), summed)

    def take(self, mask: np.ndarray) -> Design:
        """The cases of a mask; effects and machine rows keep their places."""
        return Design(self.terms, self.machine[mask], self.members[:, mask], tuple(f[mask] for f in self.factors))

    def bearing(self) -> np.ndarray:
        """Which effects bear on any case, shape (p,)."""
        used = np.repeat(np.asarray(self.members.sum(axis=1)).ravel() > 0, len(TERMS)).astype(float)
        return abs(self.terms).T @ used + sum(abs(f).sum(axis=0).A1 for f in self.factors) > 0

    def squared(self) -> Design:
        """The same with every weight squared, for the diagonal of the normal equations."""
        square = lambda m: m.multiply(m).tocsr()  # noqa: E731
        return Design(square(self.terms), self.machine, self.members, tuple(map(square, self.factors)))


def _bearing(cases: Sequence[Case], catalog: Catalog) -> Iterator[tuple[Case, dict[str, list[tuple[EffectKey, float]]]]]:
    """Each case with the effects that bear on it by term; those of the machine only with its first case."""
    met: set[object] = set()
    for case in cases:
        group, covariate = groups(case, catalog), covariates(case, catalog)
        machine = (case.deployment, case.harness)
        names = FACTORS if machine in met else (*TERMS, *FACTORS)
        met.add(machine)
        yield case, {term: list(active(term, case, group, covariate)) for term in names}


class _Rows:
    """A sparse matrix being built row by row."""

    def __init__(self) -> None:
        self.row: list[int] = []
        self.column: list[int] = []
        self.weight: list[float] = []

    def add(self, row: int, found: Iterable[tuple[EffectKey, float]], place: Mapping[EffectKey, int]) -> None:
        for key, weight in found:
            if (j := place.get(key)) is not None:
                self.row.append(row)
                self.column.append(j)
                self.weight.append(weight)

    def matrix(self, n: int, p: int) -> sp.csr_matrix:
        return sp.csr_matrix((self.weight, (self.row, self.column)), shape=(n, p))
