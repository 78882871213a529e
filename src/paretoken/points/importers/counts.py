"""What the counts of a load level tell beside its figures: failures, the load, mean lengths and throughput.

A throughput is tokens over seconds. Where a file states both and they differ by more than 1 %, the counts win: they
are what the client saw, and the throughput what it made of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.points.importers.reading import LevelCounts, failures, ratio
from paretoken.points.values import number

ADDS_UP = 0.01
"""Relative difference up to which a stated throughput agrees with its counts."""
_SIDES = {"total": ("input_tokens", "output_tokens"), "input": ("input_tokens",), "output": ("output_tokens",)}


def attempts(counts: LevelCounts) -> float | None:
    """Requests that were sent: as stated, or those that completed and failed, whichever are more."""
    sent, completed, failed = (number(c) for c in (counts.sent, counts.completed, counts.failed))
    ended = completed if failed is None or completed is None else completed + failed
    return max((n for n in (sent, ended) if n is not None), default=None)


def failed_requests(counts: LevelCounts) -> float | None:
    """Requests that failed: as stated, or those sent that did not complete, whichever are more; None if unknown."""
    sent, completed, failed = (number(c) for c in (counts.sent, counts.completed, counts.failed))
    missing = None if sent is None or completed is None else max(sent - completed, 0.0)
    return max((n for n in (failed, missing) if n is not None), default=None)


def refusal(counts: LevelCounts) -> str:
    """Why a level is not a point: none of its requests completed."""
    failed, of = failed_requests(counts), attempts(counts)
    return failures(failed, of) or "" if failed and of and failed >= of else ""


def columns(counts: LevelCounts) -> dict[str, float]:
    """The share of failed requests and the mean lengths of the completed ones, where they are counted."""
    failed, of, completed = failed_requests(counts), attempts(counts), number(counts.completed)
    derived = {
        "error_rate": None if failed is None else ratio(failed, of),
        "mean_isl": ratio(counts.input_tokens, completed),
        "mean_osl": ratio(counts.output_tokens, completed),
    }
    return {name: value for name, value in derived.items() if value is not None}


def limited_users(users: object, counts: LevelCounts) -> float | None:
    """The requests of a closed loop that has fewer of them than users: no more ever run at once."""
    limit, of = number(users), attempts(counts)
    return of if limit and of and of < limit else None


def throughputs(totals: Mapping[str, object], counts: LevelCounts) -> tuple[dict[str, object], list[str]]:
    """Tokens per second by side, those that are not stated out of the counts or the other two, and what was corrected.

    >>> throughputs({"output": 1024}, LevelCounts(input_tokens=163840, output_tokens=40960, duration_s=40))[0]["total"]
    5120.0
    """
    sides: dict[str, object] = {side: value for side, value in totals.items() if value is not None}
    notes: list[str] = []
    for side in _SIDES:
        rate, stated = _rate(side, counts), number(sides.get(side, 0))
        if not rate or stated is None or stated < 0 or abs(stated - rate) <= ADDS_UP * rate:
            continue  # nothing to compare with, a value that the check names, or they agree
        if stated:
            notes.append(f"{side} throughput is {rate:.5g} tok/s by its tokens and seconds, not {stated:.5g} as stated")
        sides[side] = rate
    return _completed(sides), notes


def _rate(side: str, counts: LevelCounts) -> float | None:
    """Tokens of a side over the seconds, None where either is not counted."""
    tokens = [number(getattr(counts, name)) for name in _SIDES[side]]
    return ratio(sum(t for t in tokens if t is not None), counts.duration_s) if None not in tokens else None


def _completed(sides: dict[str, object]) -> dict[str, object]:
    """The sides with the total or the output that the other two give; no input is made up of a total alone."""
    total, into, out = (number(sides.get(side)) for side in ("total", "input", "output"))
    if not sides.get("total") and into and out:
        sides["total"] = into + out
    elif total and into and not sides.get("output") and into < total:
        sides["output"] = total - into
    return sides
