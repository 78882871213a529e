"""Whose deviations an accelerator takes in a cell where it was not measured: those of one of its architecture.

Accelerators of one architecture run the same kernels, so that what sets them apart is on their data sheets. Effects
of single accelerators are about as large as the noise of their runs; where one of them is taken from other cells, a
machine that is better in every figure could come out slower. So all that were not measured in a cell share the effects
of one that was, the nearest in memory bandwidth, or else of the best known of the architecture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import log

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.novelty import SeenCase
from paretoken.predict.deployment import Case

Cell = tuple[str, str, str]
"""Engine, model and precision."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """The accelerators that were measured in each cell, and cases of each accelerator."""

    by_cell: Mapping[Cell, frozenset[str]]
    cases: Mapping[str, int]


def stand_ins(cases: Sequence[Case], seen: frozenset[SeenCase], catalog: Catalog) -> list[Case]:
    """The cases, each on the accelerator whose effects it takes."""
    measured = _measured(seen)
    names = {
        key: _stand_in(key[0], key[1:], measured, catalog)
        for key in {(c.deployment.accelerator, *_cell(c)) for c in cases}
    }
    return [_on(c, names[(c.deployment.accelerator, *_cell(c))]) for c in cases]


def _cell(case: Case) -> Cell:
    return case.deployment.engine, case.deployment.model, case.deployment.precision


def _on(case: Case, accelerator: str) -> Case:
    d = case.deployment
    return case if accelerator == d.accelerator else replace(case, deployment=replace(d, accelerator=accelerator))


def _stand_in(name: str, cell: Cell, measured: _Measured, catalog: Catalog) -> str:
    here = measured.by_cell.get(cell, frozenset())
    architecture = catalog.accelerators[name].architecture
    if name in here or not architecture:
        return name
    alike = [a for a in catalog.accelerators if catalog.accelerators[a].architecture == architecture]
    if near := [a for a in alike if a in here]:
        return min(near, key=lambda a: (_distance(a, name, catalog), a))
    return max(alike, key=lambda a: (measured.cases.get(a, 0), a == name, a))


def _distance(one: str, other: str, catalog: Catalog) -> float:
    """How far two data sheets are apart: in memory bandwidth, and then in the rate of BF16."""
    a, b = catalog.accelerators[one], catalog.accelerators[other]
    compute = abs(log((a.bf16_tflops or 1) / (b.bf16_tflops or 1)))
    return abs(log(a.hbm_tb_per_s / b.hbm_tb_per_s)) + 0.1 * compute


@cache
def _measured(seen: frozenset[SeenCase]) -> _Measured:
    by_cell: dict[Cell, set[str]] = {}
    for c in seen:
        by_cell.setdefault((c.engine, c.model, c.precision), set()).add(c.accelerator)
    return _Measured({k: frozenset(v) for k, v in by_cell.items()}, Counter(c.accelerator for c in seen))
