"""Parts of a CI file that may have another shape than the readers know: what they hold, or BadTree."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from math import isfinite

from paretoken.errors import BadTree, quoted
from paretoken.parity.rows import Json

LARGEST = 10**9
"""No count of GPUs and no duration in seconds is as large."""


def table(value: object, where: str) -> Mapping[object, Json]:
    """A table, empty where there is nothing; BadTree, which names `where` it is, for anything else."""
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise BadTree(f"{where} is {quoted(value)}, not a table: the layout is newer than this paretoken supports")


def listed(value: object, where: str) -> list[Json]:
    """The items of a list, or the one value in place of a list; none where there is nothing. BadTree for a table."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        raise BadTree(f"{where} is {quoted(value)}, not a list: the layout is newer than this paretoken supports")
    return [] if value is None else [value]


def count(value: object, where: str) -> int:
    """A whole number, 0 where there is none; BadTree for anything else."""
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST:
        return value
    raise BadTree(f"{where} is {quoted(value)}, not a count: the layout is newer than this paretoken supports")


def seconds(value: object) -> float | None:
    """A duration, None where the value is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or abs(value) > LARGEST:
        return None
    return float(value)


def literal(node: ast.expr) -> object:
    """The value of a literal, None for one that no CI file means: an integer of thousands of digits."""
    value = node.value if isinstance(node, ast.Constant) else None
    return None if isinstance(value, int) and abs(value) > LARGEST else value
