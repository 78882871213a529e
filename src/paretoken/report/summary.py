"""Verdicts as tables show them: who leads over which part of a range, and at each mark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.study.result import FrontierVerdict, Panel, StudyResult
from paretoken.catalog.loader import Catalog
from paretoken.emulated import EMULATED
from paretoken.frontier.compare import from_axis
from paretoken.frontier.consistency import is_stale
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import Segment, confidence, curve_grid, segments
from paretoken.points.selection import Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """One accelerator's part of a verdict's latency range. `share` is of the log range in which it could be judged.

    `low` and `high` are in the axis' own unit; `margin` is None where nobody else has data. `fragile`,
    `data_end` and `days_apart` are those of its longest segment.
    """

    winner: str
    share: float
    low: float
    high: float
    margin: float | None
    confidence: str
    fragile: str | None
    data_end: str | None
    days_apart: int | None

    @property
    def stale(self) -> bool:
        return is_stale(self.days_apart)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkCell:
    """The verdict at one mark of a panel. `confidence` is the word for the margin, "" where no accelerator has data.

    `withheld` says why there is no verdict although there are data; `fragile` why a small change would turn it;
    `data_end` who led until its data end.
    """

    winner: str | None = None
    margin: float | None = None
    confidence: str = ""
    fragile: str | None = None
    data_end: str | None = None
    withheld: str | None = None
    days_apart: int | None = None

    @property
    def stale(self) -> bool:
        return is_stale(self.days_apart)


def vendor_of(catalog: Catalog, accelerator: str) -> str:
    """The vendor's name, or "other" for an accelerator the catalog does not hold."""
    return catalog.accelerators[accelerator].vendor if accelerator in catalog.accelerators else "other"


def panels_of(result: StudyResult, scenario: str) -> list[Panel]:
    """One panel for each model, precision and workload: that of the scenario, else the earlier one it equals.

    A scenario that adds no point has no panel of its own.
    """
    allowed = result.study.scenarios[: result.study.scenarios.index(scenario) + 1]
    best: dict[tuple[str, str | None, int, int], Panel] = {}
    for panel in result.panels:
        if panel.scenario.name in allowed:
            key = (panel.selection.model, panel.selection.precision, panel.selection.isl, panel.selection.osl)
            best[key] = panel
    return list(best.values())


def verdict_of(panel: Panel, axis: Axis, tier: str) -> FrontierVerdict | None:
    """The panel's verdict on an axis at a tier."""
    return next((v for v in panel.verdicts if v.axis == axis and v.tariff.tier == tier), None)


def headline_segments(panel: Panel, verdict: FrontierVerdict) -> tuple[Segment, ...]:
    """The segments of a verdict as a headline may use them: emulated points are no data."""
    real = headline_curves(panel, verdict.axis)
    if len(real) == len(panel.curves[verdict.axis]):
        return verdict.segments
    order = panel.grids[verdict.axis].order
    return tuple(segments(curve_grid(real, verdict.tariff.tokens_per_usd_weight, order)))


def headline_curves(panel: Panel, axis: Axis) -> tuple[Curve, ...]:
    """The panel's curves without the emulated."""
    return tuple(c for c in panel.curves[axis] if c.origin != EMULATED)


def leads(axis: Axis, parts: tuple[Segment, ...]) -> list[Lead]:
    """Who leads over how much of the latency range, largest part first.

    Ranges whose verdict is withheld do not count. If nobody is contested anywhere, the uncontested ranges are given.
    """
    contested = [s for s in parts if s.margin is not None]
    judged = [s for s in contested if s.withheld is None] if contested else list(parts)
    total = sum(span(s) for s in judged) or 1.0
    by_winner: dict[str, list[Segment]] = {}
    for segment in judged:
        by_winner.setdefault(segment.winner, []).append(segment)
    leaders = [_lead(winner, own, total, axis) for winner, own in by_winner.items()]
    return sorted(leaders, key=lambda lead: -lead.share)


def withheld_share(parts: tuple[Segment, ...]) -> float:
    """The share of the contested log range of latency in which the verdict is withheld."""
    contested = [s for s in parts if s.margin is not None]
    return sum(span(s) for s in contested if s.withheld) / (sum(map(span, contested)) or 1.0)


def _lead(winner: str, own: list[Segment], total: float, axis: Axis) -> Lead:
    ends = sorted(from_axis(x, axis) for s in own for x in (s.low_s, s.high_s))
    margin, word = _margin(own)
    longest = max(own, key=span)
    return Lead(
        winner=winner,
        share=sum(map(span, own)) / total,
        low=ends[0],
        high=ends[-1],
        margin=margin,
        confidence=word,
        fragile=longest.fragile,
        data_end=longest.data_end,
        days_apart=longest.days_apart,
    )


def _margin(own: list[Segment]) -> tuple[float | None, str]:
    """(the mean margin of one winner's segments, each with the weight of its range, the word for it)."""
    weighted = [(span(s) or 1e-9, s.margin) for s in own if s.margin is not None]
    if len(weighted) < len(own):
        return None, "uncontested"
    margin = sum(weight * margin for weight, margin in weighted) / sum(weight for weight, _ in weighted)
    origins = ["predicted"] if any("predicted" in s.confidence for s in own) else []
    return margin, confidence(margin, min(s.n_points for s in own), origins)


def span(segment: Segment) -> float:
    """The width of a segment in the logarithm of latency."""
    return log(segment.high_s / segment.low_s)


def cells(verdict: FrontierVerdict | None, marks: Iterable[float]) -> list[MarkCell]:
    """The winner at each mark; an empty cell where no accelerator with a price has data."""
    by_value = {c.value: c for c in verdict.comparisons} if verdict else {}
    return [_cell(by_value.get(mark)) for mark in marks]


def _cell(comparison: CompareAnswer | None) -> MarkCell:
    if comparison is None or comparison.confidence is None:
        return MarkCell()
    origins = [c.origin for c in comparison.candidates[:2] if c.usd_per_mtok_total is not None]
    words = [w for w in ("predicted", EMULATED) if w in origins and w not in comparison.confidence]
    return MarkCell(
        winner=comparison.winner,
        margin=comparison.margin,
        confidence=", ".join([comparison.confidence, *words]),
        fragile=comparison.fragile,
        data_end=comparison.data_end,
        withheld=comparison.withheld,
        days_apart=comparison.days_apart,
    )
