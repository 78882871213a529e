"""Cells of tables: the text that people read, and the values that programs read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan

from paretoken.significant import NONE, significant, with_zeros

DIGITS = 4
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_PERCENT = re.compile(r"([+-]?[\d,]+(?:\.\d+)?)[ \u00a0]?%")
_NUMBER = re.compile(r"[+-]?[\d,]+(\.\d+)?%?")


@dataclass(frozen=True, slots=True)
class TableCell:
    """A text with the values behind it: one, or one for each of `parts`, such as low and high."""

    text: str
    values: tuple[float | None, ...]
    parts: tuple[str, ...] = ("",)

    def __str__(self) -> str:
        return self.text


def figure(value: float | None, spec: str) -> TableCell | None:
    """A number in its own format: `figure(2.5, ".2f")` is `2.50`."""
    return None if value is None else TableCell(f"{value:{spec}}", (value,))


def alone(value: float | None) -> TableCell | None:
    """A number that shares no unit with its column: `number` formats it by itself."""
    return None if value is None else TableCell(number(value), (value,))


def share(fraction: float | None, spec: str = "+z.1%") -> TableCell | None:
    """A fraction in percent: `share(0.052)` is `+5.2%`, and 5.2 for programs."""
    return None if fraction is None else TableCell(f"{fraction:{spec}}", (fraction * 100,))


def interval(low: float | None, high: float | None, spec: str = "") -> TableCell | None:
    """The two ends of an interval, in a format or as `number` has them."""
    if low is None or high is None:
        return None
    ends = (f"{low:{spec}}", f"{high:{spec}}") if spec else texts((low, high))
    return TableCell("–".join(ends), (low, high), ("low", "high"))


def share_interval(low: float, high: float, spec: str = "+.1%") -> TableCell:
    """An interval of fractions in percent: `-2.4% to +1.9%`, and -2.4 and 1.9 for programs."""
    return TableCell(f"{low:{spec}} to {high:{spec}}", (low * 100, high * 100), ("low %", "high %"))


def pair(first: tuple[str, float], second: tuple[str, float], text: str = "") -> TableCell:
    """Two numbers of two names, as in `12 / 8` of NVIDIA and AMD."""
    (a, x), (b, y) = first, second
    return TableCell(text or f"{number(x)} / {number(y)}", (x, y), (a, b))


def number(value: object) -> str:
    """A value in words: `1,250`, `12.5`, `0.00002`, `yes`; four significant digits, a dash for None and NaN."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return significant(value, DIGITS) if isinstance(value, float) else str(value)


def texts(values: Iterable[object]) -> list[str]:
    """The cells of a column: its fractions with equally many significant digits, as few as show them all to four."""
    column = list(values)
    fractions = [value for value in column if isinstance(value, float) and not isnan(value)]
    if all(value.is_integer() for value in fractions):
        return [number(v) for v in column]
    digits = next(d for d in range(1, DIGITS + 1) if all(_exact(v, d) for v in fractions))
    return [with_zeros(v, digits) if isinstance(v, float) else number(v) for v in column]


def _exact(value: float, digits: int) -> bool:
    """Whether this many digits show all that `DIGITS` do."""
    return significant(value, digits) == significant(value, DIGITS)


def is_numeric(values: Sequence[object]) -> bool:
    """Whether a column is of numbers: aligned to the right, and never wrapped."""
    stated = [v for v in values if v is not None and v != NONE]
    return bool(stated) and all(_is_number(v) for v in stated)


def raw_columns(title: str, values: Sequence[object]) -> list[tuple[str, list[str]]]:
    """A column as the columns of a CSV, each with its title: numbers in full, nothing for what is absent.

    Percentages have their unit in the title; a cell with two values makes two columns.
    """
    parts = max((v.parts for v in values if isinstance(v, TableCell)), key=len, default=("",))
    percent = parts == ("",) and "%" not in title and any(_PERCENT.fullmatch(str(v)) for v in values)
    titles = [f"{title} {part}".strip() + (" %" if percent else "") for part in parts]
    rows = [[*_raw(value), *[""] * len(parts)][: len(parts)] for value in values]
    return [(name, [row[i] for row in rows]) for i, name in enumerate(titles)]


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float | TableCell) or _NUMBER.fullmatch(str(value)) is not None


def _raw(value: object) -> list[str]:
    if isinstance(value, TableCell):
        return [text for part in value.values for text in _raw(part)]
    if value is None or value == NONE or (isinstance(value, float) and isnan(value)):
        return [""]
    if isinstance(value, float):
        return [repr(float(value)).removesuffix(".0")]
    text = number(value) if isinstance(value, bool) else str(value)
    if share_of := _PERCENT.fullmatch(text):
        text = share_of[1]
    return [text.replace(",", "") if _GROUPED.fullmatch(text) else text]
