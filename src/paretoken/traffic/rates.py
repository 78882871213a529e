"""Rates and times as people write them: `2000/min`, `14:30`, `7d`."""

from __future__ import annotations

import re
from math import isfinite

from paretoken.bench.workload.ladder import parse_duration_s
from paretoken.errors import BadConfig, quoted
from paretoken.significant import significant
from paretoken.traffic.traffic import DAY_S, HOUR_S

_PER_S = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": HOUR_S, "hour": HOUR_S, "d": DAY_S, "day": DAY_S}


def parse_rate_s(text: str) -> float:
    """Requests per second of `2000/min`, `5/s`, `1e6/day`; a bare number is per second."""
    number, slash, unit = (part.strip() for part in text.partition("/"))
    try:
        rate = float(number)
    except ValueError:
        rate = -1.0
    if not rate > 0 or not isfinite(rate) or unit not in _PER_S or bool(slash) != bool(unit):
        raise BadConfig(f"rate {quoted(text)} is not a rate above 0, such as 2000/min, 30/s, 500/h or 1e6/day")
    return rate / _PER_S[unit]


def parse_period_s(text: str, option: str) -> float:
    """Seconds, above 0, of `60s`, `24h` or `7d`."""
    days = re.fullmatch(r"\s*([0-9.]+)\s*d\s*", text)
    seconds = parse_duration_s(f"{text.strip()[:-1]}h") * 24 if days else parse_duration_s(text)
    if seconds <= 0:
        raise BadConfig(f"{option} is {quoted(text)}; give a time above 0, such as 60s, 24h or 7d")
    return seconds


def clock(since_midnight_s: float) -> str:
    """`14:30` of seconds after midnight, of any day."""
    minutes = round(since_midnight_s / 60) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def duration(seconds: float) -> str:
    """A time in the largest unit that it holds at least twice: `36 h`, `2.5 days`."""
    for size, unit in ((DAY_S, "days"), (HOUR_S, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{significant(seconds / size, 3)} {unit}"
    return f"{seconds:.3g} s"
