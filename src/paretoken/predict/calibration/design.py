"""Cases and effects as sparse matrices: which effect bears on which case, with which weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Ints, Mask
from paretoken.predict.calibration.bearing import Part, bearing, machine_of
from paretoken.predict.calibration.effects import FACTORS, EffectKey, prior
from paretoken.predict.deployment import Case
from paretoken.predict.terms import TERMS


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects that some cases have between them, in a fixed order, with their prior deviations."""

    keys: tuple[EffectKey, ...]
    place: Mapping[EffectKey, int]
    deviation: Floats

    @classmethod
    def of(cls, cases: Sequence[Case], catalog: Catalog) -> Effects:
        """Every effect that bears on any of the cases."""
        of_cases = bearing(cases, catalog, lambda key: key)
        return cls.named({key for terms in of_cases for parts in terms.values() for part in parts for key in part.at})

    @classmethod
    def named(cls, keys: Iterable[EffectKey]) -> Effects:
        """These effects."""
        ordered = tuple(sorted(keys))
        return cls(ordered, {k: i for i, k in enumerate(ordered)}, np.array([prior(k) for k in ordered]))

    def values(self, values: Mapping[EffectKey, float]) -> Floats:
        """A vector of the values of the effects, zero for those that have none."""
        return np.array([values.get(k, 0.0) for k in self.keys])


@dataclass(frozen=True, slots=True)
class Design:
    """`terms` holds all terms of each distinct machine row, `machine` says which row a case has.

    Shapes: terms (terms·machines, p) with term fastest, each of the factors (n, p), machine (n,); members (machines, n)
    sums over the cases of a machine row.
    """

    terms: sp.csr_matrix
    machine: Ints
    members: sp.csr_matrix
    factors: tuple[sp.csr_matrix, ...]

    @classmethod
    def of(cls, cases: Sequence[Case], effects: Effects, catalog: Catalog) -> Design:
        """The design of the cases; effects that are not among `effects` are left out, as zero is expected of them."""
        machines: dict[object, int] = {}
        machine = np.empty(len(cases), dtype=int)
        rows = {name: _Rows() for name in ("terms", *FACTORS)}
        for i, (case, terms) in enumerate(zip(cases, bearing(cases, catalog, effects.place.get), strict=True)):
            machine[i] = m = machines.setdefault(machine_of(case), len(machines))
            for term, parts in terms.items():
                name, row = (term, i) if term in FACTORS else ("terms", m * len(TERMS) + TERMS.index(term))
                for part in parts:
                    rows[name].add(row, part)
        p = len(effects.keys)
        return cls(
            rows["terms"].matrix(len(machines) * len(TERMS), p),
            machine,
            sp.csr_matrix((np.ones(len(cases)), (machine, np.arange(len(cases)))), shape=(len(machines), len(cases))),
            tuple(rows[name].matrix(len(cases), p) for name in FACTORS),
        )

    def apply(self, values: Floats) -> tuple[Floats, Floats]:
        """ln of the multipliers (n, terms) and of the factors (n, factors)."""
        return self.log_terms(values), np.stack([f @ values for f in self.factors], axis=1)

    def log_terms(self, values: Floats) -> Floats:
        """ln of the multipliers, shape (n, terms)."""
        rows: Floats = (self.terms @ values).reshape(-1, len(TERMS))
        return rows[self.machine]

    def gather(self, v: Floats) -> Floats:
        """The transpose of `apply`, its two results side by side: (n, terms + factors) summed into effects, (p,)."""
        summed: Floats = self.terms.T @ (self.members @ v[:, : len(TERMS)]).ravel()
        for i, factor in enumerate(self.factors):
            summed = summed + factor.T @ v[:, len(TERMS) + i]
        return summed

    def take(self, mask: Mask) -> Design:
        """The cases of a mask; effects and machine rows keep their places."""
        rows = np.flatnonzero(mask)
        return Design(self.terms, self.machine[rows], self.members[:, rows], tuple(f[rows] for f in self.factors))

    def bearing(self) -> Mask:
        """Which effects bear on any case, shape (p,)."""
        used = np.repeat(np.asarray(self.members.sum(axis=1)).ravel() > 0, len(TERMS)).astype(float)
        total: Floats = abs(self.terms).T @ used
        for factor in self.factors:
            total = total + np.asarray(abs(factor).sum(axis=0)).ravel()
        return total > 0

    def squared(self) -> Design:
        """The same with every weight squared, for the diagonal of the normal equations."""
        return Design(_squared(self.terms), self.machine, self.members, tuple(map(_squared, self.factors)))


def _squared(matrix: sp.csr_matrix) -> sp.csr_matrix:
    return sp.csr_matrix((matrix.data**2, matrix.indices, matrix.indptr), shape=matrix.shape)


class _Rows:
    """A sparse matrix being built row by row."""

    def __init__(self) -> None:
        self.row: list[int] = []
        self.column: list[int] = []
        self.weight: list[float] = []

    def add(self, row: int, effects: Part[int]) -> None:
        self.row += [row] * len(effects.at)
        self.column += effects.at
        self.weight += effects.weights

    def matrix(self, n: int, p: int) -> sp.csr_matrix:
        return sp.csr_matrix((self.weight, (self.row, self.column)), shape=(n, p))
