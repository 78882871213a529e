"""One value of a foreign file: as a number, and as the text that the check of the schema reads."""

from __future__ import annotations

import math

from paretoken.points.schema import STORED

_KIND = {c.name: c.kind for c in STORED}


def number(value: object) -> float | None:
    """The value as a finite float, or None if it is anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def as_text(column: str, value: object) -> str | None:
    """The value as the text that the check of the schema reads; halves of characters, which JSON allows, become `?`."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if _KIND[column] == "int" and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).encode(errors="replace").decode()
