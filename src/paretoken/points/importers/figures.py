"""Figures of a foreign file as columns: the statistics of a latency, mean lengths, and notes that are joined.

A statistic of 0, null, NaN or in words ("N/A") is no figure: its column stays empty, the row stays.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.points.importers.reading import joined
from paretoken.points.values import number

_STATISTICS = {
    "mean": ("mean", "avg", "average"),
    "median": ("median", "p50"),
    "p90": ("p90",),
    "p95": ("p95",),
    "p99": ("p99",),
    "p999": ("p99.9", "p99p9", "p999"),
}


def figure(value: object) -> float | None:
    """The value as a number, or None if it is 0 or no finite number; commas between thousands are read."""
    return number(value.replace(",", "") if isinstance(value, str) else value) or None


def statistics(block: object, metric: str, factor: float) -> dict[str, object]:
    """The columns of one latency, in seconds, out of its statistics by any of their names; `factor` is their unit."""
    if not isinstance(block, Mapping):
        return {}
    columns: dict[str, object] = {}
    for ours, names in _STATISTICS.items():
        value = next((f for name in names if (f := figure(block.get(name))) is not None), None)
        if value is not None:
            columns[f"{ours}_{metric}_s"] = value * factor
    return columns


def lengths(means: Mapping[str, object]) -> dict[str, object]:
    """`mean_isl` and `mean_osl` from the mean tokens by side, those that are stated."""
    return {f"mean_{side}": mean for side, value in means.items() if (mean := figure(value)) is not None}


def merged(*parts: Mapping[str, object]) -> dict[str, object]:
    """Columns that are stated, later ones first; their notes are joined."""
    columns = {key: value for part in parts for key, value in part.items() if value not in (None, "")}
    notes = joined(*dict.fromkeys(str(part["notes"]) for part in parts if part.get("notes")))
    return columns | ({"notes": notes} if notes else {})
