"""How one verdict differs between two states of the data: the winner, the margin, and whose software moved."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import Literal

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.points import PointsFields
from paretoken.answers.priced import PricedCandidate
from paretoken.points.selection import Axis

NOTEWORTHY = 0.05
"""The least change of a margin, in tokens per dollar, that is listed without a flip."""
Kind = Literal["flipped", "margin", "new", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellVerdict:
    """The winner of one cell and its margin, cost of the second over its own less 1; None with no second."""

    winner: str
    engine: str
    software: str
    usd_per_mtok: float
    margin: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareChange:
    """One accelerator's best engine before and after, with its software; None on a side that has no data of it.

    `throughput` is tokens per second per GPU, after over before.
    """

    accelerator: str
    engine_before: str | None
    engine_after: str | None
    software_before: str | None
    software_after: str | None
    throughput: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChange:
    """A verdict that differs; `value` is in the axis' own unit. `by` is the winner whose data moved most."""

    kind: Kind
    model: str
    precision: str | None
    isl: int
    osl: int
    scenario: str
    axis: Axis
    value: float
    before: CellVerdict | None
    after: CellVerdict | None
    by: SoftwareChange | None


@dataclass(frozen=True, slots=True)
class Cell:
    """The points of one model, precision, lengths and serving, at one latency."""

    fields: PointsFields
    scenario: str
    axis: Axis
    value: float


def change_of(cell: Cell, answers: list[CompareAnswer | None]) -> VerdictChange | None:
    """What differs in one cell, or None if nothing that counts does."""
    before, after = answers
    if before is None and after is None:
        return None
    kind = _kind(before, after)
    if kind is None:
        return None
    return VerdictChange(
        kind=kind,
        model=cell.fields["model"],
        precision=cell.fields["precision"],
        isl=cell.fields["isl"] or 0,
        osl=cell.fields["osl"] or 0,
        scenario=cell.scenario,
        axis=cell.axis,
        value=cell.value,
        before=_verdict(before) if before else None,
        after=_verdict(after) if after else None,
        by=_by(before, after) if before and after else None,
    )


def _kind(before: CompareAnswer | None, after: CompareAnswer | None) -> Kind | None:
    if before is None or after is None:
        return "new" if before is None else "gone"
    if before.winner != after.winner:
        return "flipped"
    margins = (before.margin, after.margin)
    moved = None not in margins and abs((margins[0] or 0) - (margins[1] or 0)) >= NOTEWORTHY
    return "margin" if moved else None


def _verdict(answer: CompareAnswer) -> CellVerdict:
    best = next(c for c in answer.candidates if c.accelerator == answer.winner)
    return CellVerdict(
        winner=best.accelerator,
        engine=best.engine,
        software=best.software,
        usd_per_mtok=best.usd_per_mtok_total or 0.0,
        margin=answer.margin,
    )


def _by(before: CompareAnswer, after: CompareAnswer) -> SoftwareChange:
    """Of the winners on either side, the one whose throughput moved most; one that a side lacks moved most of all."""
    tops = [{c.accelerator: c for c in answer.candidates} for answer in (before, after)]
    winners = dict.fromkeys(str(answer.winner) for answer in (after, before))
    name = max(winners, key=lambda w: _move(tops[0].get(w), tops[1].get(w)))
    old, new = tops[0].get(name), tops[1].get(name)
    return SoftwareChange(
        accelerator=name,
        engine_before=old.engine if old else None,
        engine_after=new.engine if new else None,
        software_before=old.software if old else None,
        software_after=new.software if new else None,
        throughput=new.tput_per_gpu / old.tput_per_gpu if old and new else None,
    )


def _move(old: PricedCandidate | None, new: PricedCandidate | None) -> float:
    return abs(log(new.tput_per_gpu / old.tput_per_gpu)) if old and new else inf
