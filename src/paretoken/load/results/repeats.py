"""Repeats of one level as one result: the mean over runs, and the spread between them.

Between-run spread holds what no interval within a run can see: another placement of memory, another state
of the cache, another neighbour on the machine. The interval of the mean is Student's, over the runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from paretoken.errors import NoData
from paretoken.records.schema import LATENCIES, STATISTICS, STORED

FIGURES = tuple(
    c.name for c in STORED if c.name.endswith("_tput_per_gpu_tok_s") or c.name in ("mean_isl", "mean_osl")
) + tuple(f"{s}_{m}_s" for m in LATENCIES for s in STATISTICS)
"""The columns of an operating point that are averaged over repeats."""


def combine(points: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The spread of every figure, ready for JSON, and the point of the means, None where a run has none."""
    if not points:
        raise NoData("no repeat to combine")
    spread = {name: _spread([p.get(name) for p in points]) for name in FIGURES}
    merged = dict(points[0]) | {name: s["mean"] if s["n"] == len(points) else None for name, s in spread.items()}
    notes = dict.fromkeys([f"mean of {len(points)} repeats", *(p["notes"] for p in points if p.get("notes"))])
    merged["notes"] = "; ".join(notes)
    return {"repeats": len(points), "figures": spread}, merged


def _spread(given: Sequence[float | None]) -> dict[str, Any]:
    """Mean, standard deviation between runs, its ratio to the mean, and the 95 % interval of the mean."""
    values = np.array([v for v in given if v is not None], dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else None
    found = {"n": n, "mean": mean, "std": None, "cv": None, "low": None, "high": None, "values": values.tolist()}
    if n < 2 or mean is None:
        return found
    std = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return found | {"std": std, "cv": std / mean if mean else None, "low": mean - half, "high": mean + half}
