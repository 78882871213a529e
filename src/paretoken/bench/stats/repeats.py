"""Repeats of one load as one result: the mean over runs, and the spread between them.

Between-run spread holds what no interval within a run can see: another placement of memory, another state
of the cache, another neighbour on the machine. The interval of the mean is Student's, over the runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paretoken.bench.plan import load_name
from paretoken.errors import NoData
from paretoken.points.schema import LATENCIES, STATISTICS, STORED

FIGURES = tuple(
    c.name for c in STORED if c.name.endswith("_tput_per_gpu_tok_s") or c.name in ("mean_isl", "mean_osl")
) + tuple(f"{s}_{m}_s" for m in LATENCIES for s in STATISTICS)
"""The columns of an operating point that are averaged over repeats."""

Summary = Mapping[str, Any]


def repeated(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Every load that was measured more than once: `load`, `name`, `repeats`, and the spread of each figure."""
    found = []
    for group in _groups(summaries):
        if len(group) > 1:
            load = {k: v for k, v in group[0]["load"].items() if k != "arrivals"}
            found.append({"load": load, "name": load_name(load), **combine([s["point"] for s in group])[0]})
    return found


def merged_points(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """One operating point for each load: that of its level, or the means where it was repeated."""
    groups = _groups(summaries)
    return [combine([s["point"] for s in g])[1] if len(g) > 1 else dict(g[0]["point"]) for g in groups]


def names(summaries: Sequence[Summary]) -> list[str]:
    """Each level's load in words; a repeat carries its number."""
    seen: Counter[str] = Counter()
    found = []
    for summary in summaries:
        name = load_name(summary["load"])
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _groups(summaries: Sequence[Summary]) -> list[list[Summary]]:
    """The levels that count, those of one load together, in order of the first of each."""
    groups: dict[tuple, list[Summary]] = {}
    for summary in summaries:
        if "failed" not in summary:
            key = tuple(sorted((k, v) for k, v in summary["load"].items() if k != "arrivals"))
            groups.setdefault(key, []).append(summary)
    return list(groups.values())


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
    from scipy import stats  # half a second that a run without repeats is spared

    std = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return found | {"std": std, "cv": std / mean if mean else None, "low": mean - half, "high": mean + half}
