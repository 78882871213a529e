"""Load levels and their ends as the user writes them. (SLOs are parsed by `goodput`.)

Ladders: comma-separated levels and ranges, `1,2,4`, `1:256:x2` (times 2), `1:64:+8` (plus 8). A range always
holds both ends, so `1:100:x2` ends 64, 100. A ramp (`ramp:1:64:60s`) is one level. Levels run in the order
written; a level named twice runs once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from paretoken.bench.workload.arrivals import Ramp, SteadyRate
from paretoken.errors import BadConfig, quoted

MOST_LEVELS = 1000
MOST_USERS = 1_000_000
HIGHEST_RATE = 1e6
MOST_COUNTED = 1e12
LONGEST_S = 366 * 86_400.0
_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+"
_FORM = "write levels like 1,2,4, ranges like 1:256:x2 or 1:64:+8"


@dataclass(frozen=True, slots=True)
class Until:
    """Ends of a load level; the first reached counts. `precision` is the half-width of the 95 % interval, relative."""

    seconds: float | None = None
    requests: int | None = None
    tokens: int | None = None
    sessions: int | None = None
    precision: float | None = None


@dataclass(frozen=True, slots=True)
class UserRamp:
    """A level whose users grow from `start` to `end` in `seconds` and then stay."""

    start: int
    end: int
    seconds: float


def parse_users(text: str) -> tuple[int | UserRamp, ...]:
    """Levels of concurrent users, products rounded to whole ones; `ramp:1:64:60s` grows from 1 to 64 in 60 s."""
    levels: list[int | UserRamp] = []
    for part in text.split(","):
        if part.strip().startswith("ramp"):
            levels.append(_user_ramp(part))
        else:
            levels += [round(value) for value in _levels(part, "concurrency", _users)]
    _check_many(len(levels), "concurrency", text)
    return tuple(dict.fromkeys(levels))


def _user_ramp(text: str) -> UserRamp:
    start, end, seconds = _ramp_parts(text, "ramp:1:64:60s")
    ramp = UserRamp(round(_users(start, text)), round(_users(end, text)), parse_duration_s(seconds))
    if ramp.end <= ramp.start or ramp.seconds <= 0:
        raise BadConfig(f"{quoted(text.strip())}: a ramp of users must rise, in more than 0 s, as in ramp:1:64:60s")
    return ramp


def parse_rates(text: str) -> tuple[float | Ramp, ...]:
    """Levels of requests per second; `ramp:1:10:60s` is a level that goes from 1 to 10/s in 60 s."""
    levels: list[float | Ramp] = []
    for part in text.split(","):
        levels += [parse_ramp(part)] if part.strip().startswith("ramp") else _levels(part, "rate", _rate)
    _check_many(len(levels), "rate", text)
    return tuple(dict.fromkeys(levels))


def parse_ramp(text: str) -> Ramp:
    """`ramp:FROM:TO:DURATION`, rates in requests per second."""
    start, end, seconds = _ramp_parts(text, "ramp:1:10:60s")
    return Ramp(float(start), float(end), parse_duration_s(seconds))


def _ramp_parts(text: str, example: str) -> list[str]:
    parts = text.strip().removeprefix("ramp:").split(":")
    if len(parts) != 3 or not all(re.fullmatch(_NUMBER, p) for p in parts[:2]):
        raise BadConfig(f"ramp {quoted(text.strip())} must be written ramp:FROM:TO:DURATION, as in {example}")
    return parts


def parse_duration_s(text: str) -> float:
    """Seconds of `500ms`, `30s`, `2m`, `1.5h`; a bare number is refused, for its unit would be a guess."""
    match = re.fullmatch(rf"({_NUMBER})\s*([a-z]*)", text.strip())
    if match is None or match[2] not in _UNITS_S:
        hint = f"; write {match[1][:20]}s or {match[1][:20]}ms" if match and not match[2] else ""
        raise BadConfig(f"{quoted(text.strip())} is not a duration like 30s, 500ms or 2m{hint}")
    seconds = float(match[1]) * _UNITS_S[match[2]]
    if seconds > LONGEST_S:
        raise BadConfig(f"{quoted(text.strip())} is longer than a year; give a shorter time")
    return seconds


def parse_fraction(text: str) -> float:
    """`2%` as 0.02; it must be between 0 and 100 %."""
    match = re.fullmatch(rf"({_NUMBER})\s*%", text.strip())
    if match is None or not 0 < float(match[1]) < 100:
        raise BadConfig(f"{quoted(text.strip())} is not a percentage between 0 and 100 %; write it like 2%")
    return float(match[1]) / 100


def parse_until(text: str) -> Until:
    """Ends of a level: `60s`, `2m`, `1000 requests`, `1e6 tokens`, `50 sessions`, `2%`, with commas between."""
    until = Until()
    for part in (p.strip() for p in text.split(",")):
        end = _parse_end(part)
        for kind in ("seconds", "requests", "tokens", "sessions", "precision"):
            if getattr(end, kind) is not None and getattr(until, kind) is not None:
                raise BadConfig(f"end {quoted(text)} names {kind} twice; give each kind of end once")
        until = Until(
            seconds=until.seconds if end.seconds is None else end.seconds,
            requests=until.requests if end.requests is None else end.requests,
            tokens=until.tokens if end.tokens is None else end.tokens,
            sessions=until.sessions if end.sessions is None else end.sessions,
            precision=until.precision if end.precision is None else end.precision,
        )
    return until


def _parse_end(text: str) -> Until:
    counted = re.fullmatch(rf"({_NUMBER})\s*(request|token|session)s?", text)
    if counted is None:
        return Until(precision=parse_fraction(text)) if text.endswith("%") else Until(seconds=_end_s(text))
    count = _count(counted[1], text)
    return Until(**{f"{counted[2]}s": count})


def _levels(text: str, what: str, number: Callable[[str, str], float]) -> list[float]:
    levels: list[float] = []
    for part in (p.strip() for p in text.split(",")):
        ends = part.split(":")
        if not part or len(ends) not in (1, 3) or not all(ends):
            missing = f"; give the step, as in {part}:x2" if len(ends) == 2 else ""
            raise BadConfig(f"{what} {quoted(text.strip())} cannot be read at {quoted(part)}{missing or '; ' + _FORM}")
        if len(ends) == 1:
            levels.append(number(ends[0], text))
        else:
            levels += _range(number(ends[0], text), number(ends[1], text), ends[2], f"{what} {quoted(part)}")
    return levels


def _range(first: float, last: float, step: str, where: str) -> list[float]:
    match = re.fullmatch(rf"([x*+])({_NUMBER})", step)
    if match is None:
        raise BadConfig(f"{where}: the step {quoted(step)} must be like x2 or +8")
    times, by = match[1] != "+", float(match[2])
    if first > last:
        raise BadConfig(f"{where}: the range is falling; write its lower end first")
    if (times and by <= 1) or by <= 0:
        raise BadConfig(f"{where}: the step {quoted(step)} does not rise; use a factor above 1 or an increment above 0")
    levels = [first]
    # The margin keeps 0.1:0.7:+0.2 from ending 0.7000000000000001, 0.7.
    while (value := levels[-1] * by if times else first + by * len(levels)) < last * (1 - 1e-9):
        levels.append(value)
        if len(levels) > MOST_LEVELS:
            raise BadConfig(f"{where} has more than {MOST_LEVELS:,} levels; use a wider step")
    return levels if first == last else [*levels, last]


def _users(text: str, whole: str) -> float:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise BadConfig(f"concurrency {quoted(whole.strip())}: {quoted(text)} is not a whole number of users; {_FORM}")
    users = float(text)
    if users < 1:
        raise BadConfig(f"concurrency {text[:40]} must be 1 or more users")
    if users > MOST_USERS:
        raise BadConfig(f"concurrency {text[:40]} must be at most {MOST_USERS:,} users")
    return users


def _rate(text: str, whole: str) -> float:
    if not re.fullmatch(rf"[+-]?(?:{_NUMBER})", text):
        raise BadConfig(f"rate {quoted(whole.strip())}: {quoted(text)} is not a number of requests per second; {_FORM}")
    if float(text) > HIGHEST_RATE:
        raise BadConfig(f"rate {quoted(text)} is above {HIGHEST_RATE:,.0f} requests per second")
    return SteadyRate(float(text)).rate


def _end_s(text: str) -> float:
    seconds = parse_duration_s(text)
    if seconds <= 0:
        raise BadConfig(f"duration {quoted(text)} must be above 0")
    return seconds


def _count(number: str, part: str) -> int:
    if not 1 <= float(number) <= MOST_COUNTED or not float(number).is_integer():
        raise BadConfig(f"end {quoted(part)} must be a whole number, 1 to {MOST_COUNTED:,.0f}")
    return int(float(number))


def _check_many(levels: int, what: str, text: str) -> None:
    if levels > MOST_LEVELS:
        raise BadConfig(f"{what} {quoted(text.strip()[:60])} has more than {MOST_LEVELS:,} levels; use wider steps")
