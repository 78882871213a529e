"""Calibrated steady states in which no time falls as users are added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from math import floor, log2

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Indices
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.columns import take
from paretoken.predict.deployment import Case
from paretoken.predict.multipliers import log_multipliers, stretched
from paretoken.predict.numbers import Columns
from paretoken.predict.steady import LoadColumns, SteadyState, kv_slots, steady

FLAT = 1e-6
"""A rise of ln(time) that tells nothing."""


def rising(
    cases: Sequence[Case], columns: Columns, load: LoadColumns, calibration: Calibration, catalog: Catalog
) -> SteadyState:
    """The calibrated steady state of each case, in which no time falls as users are added.

    What calibration found of single loads may fall by some per cent from one to the next, where the physics hardly
    rises: so a time is no less than at any power of two of users below. Between two of these it is as far from one to
    the other as the physics is. Users beyond the slots wait: they change no step, and no effect.
    """
    curves: dict[object, int] = {}
    place: dict[tuple[int, float], int] = {}
    of: list[int] = []
    below, own, above = [], [], []
    for i, case in enumerate(cases):
        curve = curves.setdefault((case.deployment, case.lengths, case.harness, case.period), len(curves))

        def rung(users: float, i: int = i, curve: int = curve) -> int:
            at = place.setdefault((curve, users), len(place))
            if len(place) > len(of):
                of.append(i)
            return at

        powers = _powers(case.concurrency)
        below.append([rung(n) for n in powers])
        own.append(rung(case.concurrency))
        above.append(own[-1] if powers[-1] == case.concurrency else rung(2 * powers[-1]))
    loads = np.array([users for _, users in place], dtype=float)
    index = np.array(of, dtype=int)
    columns, load = take(columns, index), replace(load.take(index), users=loads)
    slots = kv_slots(columns, load)
    ladder = [replace(cases[i], concurrency=n) for i, n in zip(of, np.minimum(loads, slots).tolist(), strict=True)]
    log_terms, factors = log_multipliers(ladder, calibration, catalog)
    physics = steady(columns, np.exp(log_terms), load, slots=slots)
    rungs = _Rungs(loads, below, np.array(own, dtype=int), np.array(above, dtype=int))
    s = stretched(physics, factors)
    times = {f.name: rungs.between(getattr(s, f.name), getattr(physics, f.name)) for f in fields(s)}
    return replace(s, **times | {"batch": s.batch[rungs.own]})


class _Rungs:
    """Where each case is on its ladder of loads: the places of powers of two up to it, of itself, and of the next."""

    def __init__(self, loads: Floats, below: list[list[int]], own: Indices, above: Indices) -> None:
        self.own, self.above = own, above
        most = max(map(len, below), default=1)
        self.below = np.array([r + r[-1:] * (most - len(r)) for r in below], dtype=int).reshape(-1, most)
        self.last = self.below[:, -1]
        self.share = np.log2(loads[own] / loads[self.last])

    def between(self, values: Floats, physics: Floats) -> Floats:
        """The values of the cases between those of their ladders, as far as their physics is."""
        low = values[self.below].max(axis=1)
        high = np.maximum(low, values[self.above])
        rise = np.log(physics[self.above] / physics[self.last])
        risen = np.log(physics[self.own] / physics[self.last])
        share = np.where(rise > FLAT, risen / np.maximum(rise, FLAT), self.share)
        out: Floats = low * (high / low) ** np.clip(share, 0.0, 1.0)
        return out


def _powers(users: float) -> list[float]:
    """Powers of two up to a number of users, from 1 on; the one below it if that is less than 1."""
    last = floor(log2(users))
    return [2.0**k for k in range(min(last, 0), last + 1)]
