"""Which values of a run count as figures: numbers that its records give, and no settings, labels or texts."""

from __future__ import annotations

import re

from paretoken.points.schema import STORED

_SETTINGS = frozenset(("seed", "n_gpus", "config", "load", "warnings", "bound_s"))
"""Parts of a path in a summary that lead to what the user set, or to a text."""
_LOADS = ("concurrency", "sessions", "request_rate")
_POWER = ("avg_power_w", "joules_per_output_token")
_OF_POINT = frozenset(c.name for c in STORED if c.kind == "float" and c.name not in (*_LOADS, *_POWER))
"""Columns of an operating point that follow from requests; its integers are labels."""
_PART = re.compile(r"[.\[\]]+")


def is_figure(path: str, value: object) -> bool:
    """Whether a value of a summary, by its path there, is a figure."""
    if path.startswith("point."):
        return is_point_figure(path, value)
    return _is_number(value) and _SETTINGS.isdisjoint(_PART.split(path))


def is_point_figure(path: str, value: object) -> bool:
    """Whether a value of an operating point, by a path that ends with its column, is a figure."""
    return _is_number(value) and path.rpartition(".")[2] in _OF_POINT


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
