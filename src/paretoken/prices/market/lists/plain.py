"""Plain values of a foreign file, taken as what they have to be or as nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite


def mapping(value: object) -> Mapping[str, object]:
    """The mapping, or an empty one."""
    return {str(k): v for k, v in value.items()} if isinstance(value, dict) else {}


def mappings(value: object) -> Iterator[Mapping[str, object]]:
    """The mappings in a list."""
    return (mapping(v) for v in value if isinstance(v, dict)) if isinstance(value, list) else iter(())


def price(value: object) -> float | None:
    """A price above 0, or None: lists write 0 or nothing where there is none."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) and number > 0 else None
