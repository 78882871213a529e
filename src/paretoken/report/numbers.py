"""Numbers as the payload and the text show them."""

from __future__ import annotations

import math
from collections.abc import Iterable


def rounded(value: float | None, digits: int = 4) -> float | int | None:
    """The value to this number of significant digits, an int if it is whole; None for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def column(values: Iterable[float | None], digits: int = 4) -> list[float | int | None]:
    """A column of rounded values; written out, as a page has hundreds of thousands."""
    form, most = f"%.{digits}g", math.inf
    return [
        None if v is None or not -most < v < most else int(short) if (short := float(form % v)).is_integer() else short
        for v in values
    ]


def shown(value: float | None, digits: int = 3) -> str:
    """The value for a reader: `1,250`, `12.5`, `0.0925`; a dash for None and NaN."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def percent(fraction: float | None) -> str:
    """A fraction as whole percent, with one decimal below 10 %; a factor from 3 times on."""
    if fraction is None:
        return "–"
    if fraction >= 2:
        return f"{fraction + 1:.1f}×"
    return share_percent(fraction)


def share_percent(fraction: float | None) -> str:
    """A share as whole percent, with one decimal below 10 %; a dash for None."""
    if fraction is None:
        return "–"
    return f"{fraction * 100:.0f}\u00a0%" if abs(fraction) >= 0.0995 else f"{fraction * 100:.1f}\u00a0%"


def signed(fraction: float | None) -> str:
    """A change as whole percent with its sign, `−20 %`; a dash for None."""
    return "–" if fraction is None else f"{fraction * 100:+.0f}\u00a0%".replace("-", "−")


def more(fraction: float | None) -> str:
    """By how much something is larger: `+35 %`, or `×3.6` from 3 times on."""
    if fraction is None:
        return "–"
    return f"×{fraction + 1:.1f}" if fraction >= 2 else f"+{percent(fraction)}"


def money(value: float | None) -> str:
    """USD: two decimals above 1, else three significant digits."""
    if value is None:
        return "–"
    return f"${value:,.2f}" if value >= 1 else f"${value:.3g}"
