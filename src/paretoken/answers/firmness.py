"""How firm a verdict is, as answers state it."""

from __future__ import annotations

from typing import TypedDict

from paretoken.frontier.verdict import Verdict


class Firmness(TypedDict):
    """The fields of an answer that it has from its verdict; all are None without one."""

    confidence: str | None
    fragile: str | None
    data_end: str | None
    withheld: str | None
    acceptance: str | None
    days_apart: int | None


def firmness(verdict: Verdict | None, *, data_end: bool = True) -> Firmness:
    """The fields of a verdict, or of none; `data_end` only where curves end in data and not in a sample."""
    return {
        "confidence": verdict.confidence if verdict else None,
        "fragile": verdict.fragile if verdict else None,
        "data_end": verdict.data_end if verdict and data_end else None,
        "withheld": verdict.withheld if verdict else None,
        "acceptance": verdict.acceptance if verdict else None,
        "days_apart": verdict.days_apart if verdict else None,
    }
