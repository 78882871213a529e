"""The times of a log in seconds: ISO 8601, or numbers in one unit for the whole file, which their size shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from paretoken.errors import quoted
from paretoken.trace_rows import FROM_ZERO
from paretoken.traffic.lengths import number
from paretoken.traffic.traffic import DAY_S, Floats, Ints

TOLERANCE_S = 900.0
"""How far a row may lie behind an earlier one: logs are written as requests end, long ones late.

Below the hour by which clocks go back in autumn.
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BANDS = (("s", 1.0, 1e9), ("ms", 1e-3, 1e12), ("µs", 1e-6, 1e15), ("ns", 1e-9, 1e18))
"""Units of times since 1970: name, seconds, and the least number of that unit, in 2001. Each reaches to the tenfold."""


class BadTimeError(Exception):
    """A time that cannot be used: the index of its row, and what is wrong."""

    def __init__(self, row: int, why: str) -> None:
        super().__init__(why)
        self.row, self.why = row, why


@dataclass(slots=True)
class Clock:
    """Reads times row by row in the form of the first one; `rule` then says how.

    `unit_s` is the unit that the name of the field states. `offset_s` is the zone of the first time, None without one.
    """

    unit_s: float | None = None
    iso: bool | None = None
    offset_s: float | None = None
    _parts: list[Floats] = field(default_factory=list)
    _rows: int = 0

    def read(self, values: Sequence[object]) -> None:
        """The next times of the log; BadTimeError with the row within the log."""
        if self.iso is None and values:
            self.iso = isinstance(values[0], str) and number(values[0]) is None
        if self.iso:
            part = np.array([self._moment(i, v) for i, v in enumerate(values)], np.float64)
        elif {type(v) for v in values} <= {int, float}:
            part = np.array(values, np.float64)
        else:
            part = np.array([self._number(i, v) for i, v in enumerate(values)], np.float64)
        bad = np.flatnonzero(~np.isfinite(part) | (part < 0) & (not self.iso))
        if len(bad):
            why = "is negative" if np.isfinite(part[bad[0]]) else "is not a number"
            raise BadTimeError(self._rows + int(bad[0]), f"time {quoted(values[int(bad[0])])} {why}")
        self._parts.append(part)
        self._rows += len(values)

    def _moment(self, i: int, value: object) -> float:
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            what = "no time" if value in (None, "") else f"time {quoted(value)} is not like 2026-08-25T00:00:01Z"
            raise BadTimeError(self._rows + i, f"{what}, as the rows before it have") from None
        if self._rows + i == 0:
            offset = moment.utcoffset()
            self.offset_s = None if offset is None else offset.total_seconds()
        if (moment.tzinfo is None) != (self.offset_s is None):
            raise BadTimeError(
                self._rows + i, f"time {quoted(value)} differs from the first in stating a zone; give all times one"
            )
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH).total_seconds()

    def _number(self, i: int, value: object) -> float:
        if (count := number(value)) is not None:
            return count
        what = "no time" if value in (None, "") else f"time {quoted(value)} is not a number"
        raise BadTimeError(self._rows + i, f"{what}, as the rows before it have")

    def seconds(self) -> tuple[Floats, bool, str]:
        """All times (n,) in s, whether they are those of days, and how they were read in words."""
        times = np.concatenate(self._parts)
        unit, seconds, dated = self._unit(times)
        times = times * seconds
        if self.iso:
            zone = "no zone" if self.offset_s is None else f"zone {_zone(self.offset_s)}"
            return times, dated, f"ISO 8601, {zone}"
        return times, dated, f"Unix time in {unit}" if dated else f"in {unit} from the start"

    def day_start_s(self, first_s: float) -> float:
        """Seconds after midnight, in the zone of the log, of a time since 1970."""
        return (first_s + (self.offset_s or 0.0)) % DAY_S

    def _unit(self, times: Floats) -> tuple[str, float, bool]:
        """The unit of all times, its seconds, and whether they are since 1970."""
        band = np.searchsorted([b[2] for b in _BANDS], times, side="right")
        stated = next((b for b in _BANDS if b[1] == self.unit_s and not self.iso), None)
        if stated is not None:
            band_of_name = _BANDS.index(stated) + 1
            if band[0] not in (0, band_of_name) and (band == band[0]).all():
                unit = _BANDS[int(band[0]) - 1][0]
                why = f"time {_plain(times[0])} is a Unix time in {unit}, but its field is named for"
                raise BadTimeError(0, f"{why} {stated[0]}; rename the field")
            band = np.where(times * stated[1] < FROM_ZERO, 0, band_of_name)
        other = np.flatnonzero(band != band[0])
        if len(other):
            raise BadTimeError(int(other[0]), self._mixed(times, int(other[0])))
        name, seconds, least = _BANDS[max(int(band[0]) - 1, 0)]
        if stated is not None:
            name, seconds = stated[:2]
        elif times.max() >= (10 * least if band[0] else FROM_ZERO) and not self.iso:
            raise BadTimeError(int(times.argmax()), self._odd(times))
        return name, seconds, bool(band[0]) or bool(self.iso)

    def _mixed(self, times: Floats, row: int) -> str:
        first, value = times[0], times[row]
        if self.iso or min(first, value) < FROM_ZERO:
            return (
                f"time {_plain(value)} is decades from the first, {_plain(first)} (s since 1970 or from the start); "
                "remove the row or correct its clock"
            )
        return f"time {value:.0f} is in another unit than the first, {first:.0f}; give all times in one unit"

    @staticmethod
    def _odd(times: Floats) -> str:
        return (
            f"time {_plain(times.max())} is no date of this century nor a time from the start of the log in s; "
            "name the field time_ms, time_us or time_ns if that is its unit"
        )


def _plain(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.3f}"


def _zone(offset_s: float) -> str:
    sign, minutes = "-" if offset_s < 0 else "+", round(abs(offset_s) / 60)
    return "UTC" if not minutes else f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def far_behind(times: Floats) -> tuple[int, int, float] | None:
    """The first row more than TOLERANCE_S behind an earlier one, that earlier one, and by how much in s."""
    latest = np.maximum.accumulate(times)
    rows = np.flatnonzero(latest - times > TOLERANCE_S)
    if not len(rows):
        return None
    row = int(rows[0])
    return row, int(times[:row].argmax()), float(latest[row] - times[row])


def disorder_s(times: Floats) -> float:
    """The most that a row lies behind an earlier one."""
    return float((np.maximum.accumulate(times) - times).max(initial=0.0))


def newest_first(times: Floats) -> bool:
    """Whether a log runs backwards, as exports often do."""
    return bool(times[-1] < times[0]) and disorder_s(times[::-1]) < disorder_s(times)


def order_of(times: Floats) -> Ints:
    """The rows by time, equal times as they are."""
    return np.argsort(times, kind="stable")
