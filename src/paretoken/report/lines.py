"""The lines of a panel as columns: each accelerator's best on the common grid, and each engine's own curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from paretoken.frontier.compare import from_axis
from paretoken.frontier.curve import Curve, CurvePoint
from paretoken.frontier.verdict import CurveGrid
from paretoken.points.selection import Axis
from paretoken.report.numbers import column
from paretoken.report.point_words import software_words

Data = dict[str, object]
Intern = Callable[[str | None], int | None]

OF_ENGINE_SAMPLES = 48
"""Samples of one engine's own curve between its Pareto points."""

ON_ENVELOPE = 0.999
"""A Pareto point this close to the accelerator's envelope lies on it."""

JOINED, FLAT, APART = 0, 1, 2
"""What a line is at a latency: see `stretch`."""

_SIDES = {"t": "tput_per_gpu", "o": "output_tput_per_gpu", "i": "input_tput_per_gpu"}


def envelopes(grid: CurveGrid, text: Intern) -> list[Data]:
    """The best curve of each accelerator and origin on the grid, from its first value `k` on to the grid's end."""
    keys = dict.fromkeys((c.accelerator, c.origin) for c in grid.curves)
    order = {name: i for i, name in enumerate(grid.names)}
    return [_envelope(grid, *key, text) for key in sorted(keys, key=lambda k: (order[k[0]], k[1]))]


def _envelope(grid: CurveGrid, accelerator: str, origin: str, text: Intern) -> Data:
    mine = [c for c in grid.curves if (c.accelerator, c.origin) == (accelerator, origin)]
    total = np.array([c.within(grid.latency_s) for c in mine])
    at = np.argmax(np.nan_to_num(total, nan=-1.0), axis=0)
    covered = np.flatnonzero(~np.isnan(total).all(axis=0))
    span = slice(covered[0], None)
    line: Data = {"a": text(accelerator), "r": text(origin), "k": int(covered[0])}
    for key, name in _SIDES.items():
        values = np.array([c.within(grid.latency_s, name) for c in mine])[at, np.arange(len(at))][span]
        line[key] = None if np.isnan(values).all() else column(values.tolist())
    best = [mine[i] for i in at[span].tolist()]
    line["e"] = _runs([text(c.engine) for c in best])
    line["w"] = _runs([text(software_words(c.software, c.origin)) for c in best])
    line["h"] = _runs([stretch(c, x) for c, x in zip(best, grid.latency_s[span].tolist(), strict=True)])
    return line


def stretch(curve: Curve, latency_s: float) -> int:
    """What a curve is at a latency: joined between like points, flat beyond its last one, or apart.

    Apart is between two points whose source or basis of E2E latency differs: no line is drawn from one to the other.
    """
    if latency_s > curve.range_s[1]:
        return FLAT
    kinds = {(point["source"], _basis(point, curve.axis)) for point in curve.rows[curve.around(latency_s)]}
    return APART if len(kinds) > 1 else JOINED


def _basis(point: CurvePoint, axis: Axis) -> str | None:
    return point["e2e_basis"] if axis == "e2e" else None


def _runs(values: Sequence[int | None]) -> list[list[int | None]]:
    """[[first index, value], …] for each run of equal values."""
    starts = [i for i, v in enumerate(values) if i == 0 or v != values[i - 1]]
    return [[i, values[i]] for i in starts]


def curve_line(curve: Curve, axis: Axis, text: Intern) -> Data:
    """One engine's curve, sampled between its own ends with its Pareto points among the samples."""
    low, high = curve.range_s
    x = np.unique(np.concatenate([np.geomspace(low, high, OF_ENGINE_SAMPLES).clip(low, high), curve.latency_s]))
    sides = {key: curve.at(x, name) for key, name in _SIDES.items()}
    return {
        "a": text(curve.accelerator),
        "e": text(curve.engine),
        "r": text(curve.origin),
        "w": text(software_words(curve.software, curve.origin)),
        "h": _runs([stretch(curve, v) for v in x.tolist()]),
        "x": column((from_axis(v, axis) for v in x.tolist()), 5),
        **{key: None if np.isnan(values).all() else column(values.tolist()) for key, values in sides.items()},
    }
