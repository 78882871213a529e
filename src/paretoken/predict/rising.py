"""Calibrated steady states in which no time falls as users are added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from math import floor, log2

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.columns import take
from paretoken.predict.deployment import Case
from paretoken.predict.load import LoadColumns, kv_slots
from paretoken.predict.multipliers import log_multipliers, stretched
from paretoken.predict.numbers import Columns
from paretoken.predict.steady import SteadyState, steady

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
    at = _LoadsOfCurves(cases)
    columns, load = take(columns, at.case), replace(load.take(at.case), users=at.users)
    slots = kv_slots(columns, load)
    served = np.minimum(at.users, slots).tolist()
    loaded = [replace(cases[i], concurrency=n) for i, n in zip(at.case.tolist(), served, strict=True)]
    log_terms, factors = log_multipliers(loaded, calibration, catalog)
    physics = steady(columns, np.exp(log_terms), load, slots=slots)
    s = stretched(physics, factors)
    times = {f.name: at.between(getattr(s, f.name), getattr(physics, f.name)) for f in fields(s)}
    return replace(s, **times | {"batch": s.batch[at.own]})


class _LoadsOfCurves:
    """The loads at which the curves of some cases are computed, once each, and where each case is among them.

    `case` is the first case of a load's curve, `users` the load, shape (loads,). `below` are the places of the powers
    of two up to a case's load, `last` that of the greatest, `own` its own, `above` that of the next power.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        curves: dict[object, int] = {}
        places: dict[tuple[int, float], int] = {}
        first: list[int] = []
        below, own, above = [], [], []
        for i, case in enumerate(cases):
            curve = curves.setdefault((case.deployment, case.lengths, case.harness, case.period), len(curves))
            powers = _powers(case.concurrency)
            after = case.concurrency if powers[-1] == case.concurrency else 2 * powers[-1]
            *lower, at, higher = (
                places.setdefault((curve, n), len(places)) for n in (*powers, case.concurrency, after)
            )
            first += [i] * (len(places) - len(first))
            below.append(lower)
            own.append(at)
            above.append(higher)
        most = max(map(len, below), default=1)
        self.case, self.users = np.array(first, dtype=int), np.array([n for _, n in places], dtype=float)
        self.below = np.array([r + r[-1:] * (most - len(r)) for r in below], dtype=int).reshape(-1, most)
        self.last, self.own, self.above = self.below[:, -1], np.array(own, dtype=int), np.array(above, dtype=int)
        self.share = np.log2(self.users[self.own] / self.users[self.last])

    def between(self, values: Floats, physics: Floats) -> Floats:
        """The values of the cases between those of their curves, as far as their physics is."""
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
