"""Figures of a foreign file as columns: the statistics of a latency, mean lengths, shares, and notes that are joined.

A statistic of 0, null, NaN or a dash measured nothing: its column stays empty, the row stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from paretoken.points.importers.reading import joined, ratio, scaled
from paretoken.points.values import number

_STATISTICS = {
    "mean": ("mean", "avg", "average"),
    "median": ("median", "p50"),
    "p90": ("p90",),
    "p95": ("p95",),
    "p99": ("p99",),
    "p999": ("p99.9", "p99p9", "p999"),
}
_NOTHING = ("", "-", "–", "nan", "n/a", "null", "none")


def figure(value: object) -> float | None:
    """The value as a number, or None if it is 0 or no finite number; commas between thousands are read."""
    return number(value.replace(",", "") if isinstance(value, str) else value) or None


def is_nothing(value: object) -> bool:
    """Whether the value is null, empty, a dash, 0 or not a number: what tools write where they measured nothing."""
    if value is None or (isinstance(value, float) and value != value):
        return True
    return str(value).strip().casefold() in _NOTHING or number(value) == 0


def without_nothing(columns: Mapping[str, object]) -> dict[str, object]:
    """The columns that were measured."""
    return {name: value for name, value in columns.items() if not is_nothing(value)}


def statistics(block: object, metric: str, factor: float = 1.0) -> dict[str, object]:
    """The columns of one latency, in seconds, out of its statistics by any of their names; `factor` is their unit.

    Words that are no figure stay, so that the check can name them.
    """
    if not isinstance(block, Mapping):
        return {}
    columns: dict[str, object] = {}
    for ours, names in _STATISTICS.items():
        value = next((block[name] for name in names if not is_nothing(block.get(name))), None)
        if value is not None:
            columns[f"{ours}_{metric}_s"] = scaled(figure(value) or value, factor)
    return columns


def lengths(means: Mapping[str, object]) -> dict[str, object]:
    """`mean_isl` and `mean_osl` from the mean tokens by side, those that are stated."""
    return {f"mean_{side}": mean for side, value in means.items() if (mean := figure(value)) is not None}


def error_rate(failed: object, total: object) -> dict[str, object]:
    """The share of failed requests as a column, where the file counts both."""
    share = ratio(failed, total)
    return {} if share is None else {"error_rate": share}


def inverse(value: object) -> object:
    """1 over a rate; other values stay, so that the check can name them."""
    rate = number(value)
    return 1 / rate if rate else value


def mean_of(values: Iterable[float]) -> float | None:
    """Their arithmetic mean, None where there are none."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else None


def numbers_of(values: object) -> list[float]:
    """The finite numbers above 0 of a list."""
    numbers = (number(v) for v in values) if isinstance(values, list) else ()
    return [v for v in numbers if v is not None and v > 0]


def merged(*parts: Mapping[str, object]) -> dict[str, object]:
    """Columns that are stated, later ones first; their notes are joined."""
    columns = {key: value for part in parts for key, value in part.items() if value not in (None, "")}
    notes = joined(*dict.fromkeys(str(part["notes"]) for part in parts if part.get("notes")))
    return columns | ({"notes": notes} if notes else {})
