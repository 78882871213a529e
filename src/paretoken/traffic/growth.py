"""More or less of the same traffic, and its busiest day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from paretoken.errors import BadConfig
from paretoken.traffic.rates import clock
from paretoken.traffic.size import require_few
from paretoken.traffic.traffic import DAY_S, HOUR_S, NO_SESSION, Floats, Ints, Mask, PrefixBlocks, Traffic

SHIFT_S = 300.0
"""Most by which a copied session is moved."""
_SHARED = -1


@dataclass(frozen=True, slots=True)
class _Part:
    """Requests by their rows in the source, with new times; copy 0 are the requests themselves."""

    rows: Ints
    time_s: Floats
    copy: int


def grown(traffic: Traffic, factor: float, seed: int) -> Traffic:
    """The traffic times a factor above 0, with its hours, lengths, sessions and shared prefixes.

    Above 1 every request stays, and whole copies of all sessions join it, each moved by up to 5 minutes within the
    hour that it begins in; of the last copy, a random share of the sessions of each hour. Below 1 such a share is
    kept. A larger factor has all requests of a smaller one above 1, with the same seed. Requests without a session
    count as one each. Prompt blocks of one session alone become those of its copy; those of several stay shared.
    """
    if not 0 < factor < float("inf"):
        raise BadConfig(f"growth is {factor:g}; give a factor above 0, such as 2 for twice the traffic")
    if factor == 1:
        return traffic
    require_few(len(traffic) * factor, f"of {factor:g} times the traffic", "give a smaller --growth")
    unit, first, last = _units(traffic)
    if factor < 1:
        rows = np.flatnonzero(_sample(first, factor, seed, 0)[unit])
        return traffic.take(rows, f"a random {factor:.3g} of the source's sessions, the same share in each hour")
    parts = [_Part(np.arange(len(traffic)), traffic.time_s, 0)]
    for number in range(1, ceil(factor)):
        rows = np.flatnonzero(_sample(first, factor - number, seed, number)[unit])
        moved = traffic.time_s[rows] + _shifts(first, last, traffic.span_s, seed, number)[unit[rows]]
        parts.append(_Part(rows, np.clip(moved, 0.0, traffic.span_s), number))
    return _joined(traffic, parts, unit, f"{factor:g} times the source, by copies of its sessions moved by up to 5 min")


def busiest_day(traffic: Traffic) -> Traffic:
    """The 24 hours with the most tokens of a longer traffic, in steps of an hour; by the clock where the day is known.

    The 24 hours at either end count too, whatever the minute. Traffic of a day or less stays as it is. Sessions are cut
    where the 24 hours are.
    """
    if traffic.span_s <= DAY_S * (1 + 1e-9):
        return traffic
    last = traffic.span_s - DAY_S
    first_hour = -(traffic.day_start_s or 0.0) % HOUR_S
    starts = np.unique(np.concatenate([[0.0, last], np.arange(first_hour, last, HOUR_S)]))
    tokens = np.concatenate([[0], np.cumsum(traffic.input_tokens + traffic.output_tokens)])
    low, high = (np.searchsorted(traffic.time_s, edge, side="left") for edge in (starts, starts + DAY_S))
    high[-1] = len(traffic)
    best = int(np.argmax(tokens[high] - tokens[low]))
    start, rows = float(starts[best]), np.arange(low[best], high[best])
    note = (
        f"the 24 hours from {_moment(traffic, start)} of the source, which have the most tokens; the rest of its "
        f"{traffic.span_s / DAY_S:.3g} days is left out"
    )
    day = traffic.take(rows, note)
    begin = None if traffic.day_start_s is None else (traffic.day_start_s + start) % DAY_S
    return replace(day, time_s=np.clip(day.time_s - start, 0.0, DAY_S), span_s=DAY_S, day_start_s=begin)


def _moment(traffic: Traffic, time_s: float) -> str:
    """A time of the traffic in words: `14:00 on day 2`, or `hour 38` where the time of day is not known."""
    if traffic.day_start_s is None:
        return f"hour {time_s / HOUR_S:.4g}"
    since_midnight_s = traffic.day_start_s + time_s
    return f"{clock(since_midnight_s)} on day {round(since_midnight_s / 60) // 1440 + 1}"


def _units(traffic: Traffic) -> tuple[Ints, Floats, Floats]:
    """The session of each request as a number from 0, single requests their own; times of the first and last of each.

    Numbers follow the order of the first requests.
    """
    alone = traffic.session == NO_SESSION
    key = np.where(alone, traffic.session.max() + 1 + np.arange(len(traffic)), traffic.session)
    _, at, unit = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(at, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    last = np.zeros(len(at))
    np.maximum.at(last, rank[unit], traffic.time_s)
    return rank[unit], traffic.time_s[at[order]], last


def _sample(first: Floats, share: float, seed: int, number: int) -> Mask:
    """Which sessions are drawn: the same share of those that begin in each hour, and one of all at least.

    A larger share has those of a smaller one.
    """
    rng = np.random.default_rng([seed, number, 0])
    hour = (first // HOUR_S).astype(np.int64)
    order = np.lexsort((rng.random(len(first)), hour))
    begin = np.searchsorted(hour, hour, side="left")
    size = np.searchsorted(hour, hour, side="right") - begin
    place = (np.arange(len(first)) - begin + rng.random(int(hour[-1]) + 1)[hour]) / size
    chosen = np.zeros(len(first), dtype=bool)
    chosen[order] = place < share
    chosen[order[np.argmin(place)]] = True
    return chosen


def _shifts(first: Floats, last: Floats, span_s: float, seed: int, number: int) -> Floats:
    """Shift of each session of a copy in s: it begins in the same hour, and ends in it if the original does."""
    hour = first // HOUR_S
    end = np.where(last // HOUR_S == hour, last, first)
    low = np.maximum(hour * HOUR_S - first, -SHIFT_S)
    high = np.minimum(np.minimum(np.nextafter((hour + 1) * HOUR_S, 0) - end, span_s - last), SHIFT_S)
    shifts: Floats = low + np.random.default_rng([seed, number, 1]).random(len(first)) * np.maximum(high - low, 0.0)
    return shifts


def _joined(traffic: Traffic, parts: Sequence[_Part], unit: Ints, note: str) -> Traffic:
    """The requests of all parts in the order of time, the copies with sessions and blocks of their own."""
    time_s = np.concatenate([p.time_s for p in parts])
    order = np.argsort(time_s, kind="stable")
    rows = np.concatenate([p.rows for p in parts])[order]
    copy = np.concatenate([np.full(len(p.rows), p.copy) for p in parts])[order]
    session = traffic.session[rows]
    own = np.where(session == NO_SESSION, session, session + copy * (traffic.session.max() + 1))
    prefixes = traffic.prefixes
    if prefixes is not None:
        prefixes = PrefixBlocks(_copied_blocks(prefixes.ids, unit, rows, copy), prefixes.tokens)
    return replace(
        traffic,
        time_s=time_s[order],
        input_tokens=traffic.input_tokens[rows],
        output_tokens=traffic.output_tokens[rows],
        session=own,
        prefixes=prefixes,
        graphs=None if traffic.graphs is None else traffic.graphs.take(rows),
        notes=(*traffic.notes, note),
    )


def _copied_blocks(ids: tuple[tuple[int, ...], ...], unit: Ints, rows: Ints, copy: Ints) -> tuple[tuple[int, ...], ...]:
    """The blocks of the rows of copies: those that several sessions have, and for the others an id of that copy."""
    owner: dict[int, int] = {}
    whose: dict[tuple[int, ...], int] = {}
    for mine, blocks in zip(unit.tolist(), ids, strict=True):
        before = whose.get(blocks)
        if before in (mine, _SHARED):
            continue
        whose[blocks] = mine if before is None else _SHARED
        owner.update((block, mine if owner.get(block, mine) == mine else _SHARED) for block in blocks)
    above = max(owner, default=0) + 1

    def of(row: int, number: int) -> tuple[int, ...]:
        if not number or whose[ids[row]] == _SHARED:
            return ids[row]
        return tuple(b if owner[b] == _SHARED else b + number * above for b in ids[row])

    return tuple(of(row, number) for row, number in zip(rows.tolist(), copy.tolist(), strict=True))
