"""Numbers in words, to some significant digits and never with an exponent."""

from __future__ import annotations

from math import floor, inf, isinf, isnan, log10

NONE = "–"
MOST_DECIMALS = 12


def significant(value: float | None, digits: int = 4) -> str:
    """`12,346`, `12.5`, `0.00002`: all digits before the point, no zeros at the end; a dash for None and NaN."""
    text = with_zeros(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_zeros(value: float | None, digits: int = 4) -> str:
    """The same with zeros at the end, for numbers below one another: `2.500`."""
    if value is None or isnan(value):
        return NONE
    if isinf(value):
        return "∞" if value == inf else "−∞"
    if value == 0:
        return "0"
    first = floor(log10(abs(float(f"{value:.{digits}g}"))))
    return f"{value:,.{min(MOST_DECIMALS, max(0, digits - 1 - first))}f}"
