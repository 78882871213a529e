"""Counts and tables over all panels: who wins how often, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Literal

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.priced import rank
from paretoken.answers.study.result import FrontierVerdict, Panel, StudyResult
from paretoken.catalog.loader import Catalog
from paretoken.frontier.compare import candidates, from_axis, to_axis
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import TIE, Segment, better_at_lower_latency, confidence
from paretoken.points.selection import Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """One accelerator's part of a verdict's latency range. `share` is of the log range in which it could be judged.

    `low` and `high` are in the axis' own unit; `margin` is None where nobody else has data.
    """

    winner: str
    share: float
    low: float
    high: float
    margin: float | None
    confidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One mark at which accelerators of two or more vendors have a price: the cheapest of each against each other.

    `value` is the latency in the axis' own unit. Predictions take part only where vendors do not meet without them.
    """

    panel: Panel
    value: float
    vendor: str
    accelerator: str
    margin: float
    better_at_lower_latency: str | None
    predicted: bool = False

    @property
    def fair(self) -> bool:
        """False if it rests on predictions, or was won for want of data: another vendor was better at a lower
        latency, where its data end."""
        return self.better_at_lower_latency is None and not self.predicted

    @property
    def tie(self) -> bool:
        return self.margin < TIE


@dataclass(frozen=True, slots=True)
class MarkCell:
    """One mark of one panel. `confidence` is the word for the margin, "" where nobody has data.

    `better_at_lower_latency` names who was better at a lower latency, where its data end.
    """

    winner: str | None
    margin: float | None
    confidence: str
    better_at_lower_latency: str | None


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


def contests(result: StudyResult, scenario: str, axis: Axis, tier: str) -> list[Contest]:
    """Every mark of every panel at which vendors meet."""
    met = []
    for panel in panels_of(result, scenario):
        verdict = verdict_of(panel, axis, tier)
        for comparison in verdict.comparisons if verdict else ():
            everyone = panel.curves[axis]
            real = tuple(c for c in everyone if c.origin != "predicted")
            contest = _contest(result.catalog, panel, comparison, real)
            if contest is None and len(real) < len(everyone):
                contest = _contest(result.catalog, panel, comparison, everyone, predicted=True)
            if contest:
                met.append(contest)
    return met


def _contest(
    catalog: Catalog, panel: Panel, comparison: CompareAnswer, curves: tuple[Curve, ...], *, predicted: bool = False
) -> Contest | None:
    """Who of these curves has the cheapest tokens at the comparison's mark and tariff; None if one vendor is alone."""
    latency_s, tariff = to_axis(comparison.value, comparison.axis), comparison.tariff
    cheapest: dict[str, tuple[float, str]] = {}
    for priced in rank(candidates(curves, latency_s), tariff).candidates:
        if priced.usd_per_mtok_total is not None:
            name = priced.accelerator
            cheapest.setdefault(vendor_of(catalog, name), (priced.usd_per_mtok_total, name))
    if len(cheapest) < 2:
        return None
    (vendor, first), (_, second) = sorted(cheapest.items(), key=lambda item: item[1])[:2]
    better = better_at_lower_latency(curves, latency_s, tariff.tokens_per_usd_weight)
    other_vendor = better is not None and vendor_of(catalog, better) != vendor
    return Contest(
        panel=panel,
        value=comparison.value,
        vendor=vendor,
        accelerator=first[1],
        margin=second[0] / first[0] - 1,
        better_at_lower_latency=better if other_vendor else None,
        predicted=predicted,
    )


def wins(met: Iterable[Contest], by: Literal["vendor", "accelerator"] = "vendor") -> list[tuple[str, int, float]]:
    """(vendor or accelerator, fair contests won clear of a tie, median margin), most wins first."""
    margins: dict[str, list[float]] = {}
    for contest in met:
        if contest.fair and not contest.tie:
            margins.setdefault(getattr(contest, by), []).append(contest.margin)
    return sorted(((k, len(m), median(m)) for k, m in margins.items()), key=lambda w: (-w[1], w[0]))


def leads(verdict: FrontierVerdict | None) -> list[Lead]:
    """Who leads over how much of the latency range, largest part first.

    Ranges that are won for want of data (somebody was better at a lower latency) do not count. If
    nobody is contested anywhere, the uncontested ranges are given.
    """
    if verdict is None:
        return []
    fair = [s for s in verdict.segments if s.better_at_lower_latency is None]
    contested = [s for s in fair if s.margin is not None]
    judged = contested or fair
    total = sum(_span(s) for s in judged) or 1.0
    by_winner: dict[str, list[Segment]] = {}
    for segment in judged:
        by_winner.setdefault(segment.winner, []).append(segment)
    leaders = [_lead(winner, own, total, verdict.axis) for winner, own in by_winner.items()]
    return sorted(leaders, key=lambda lead: -lead.share)


def _lead(winner: str, own: list[Segment], total: float, axis: Axis) -> Lead:
    ends = sorted(from_axis(x, axis) for s in own for x in (s.low_s, s.high_s))
    margin, word = _margin(own)
    share = sum(_span(s) for s in own) / total
    return Lead(winner=winner, share=share, low=ends[0], high=ends[-1], margin=margin, confidence=word)


def _margin(own: list[Segment]) -> tuple[float | None, str]:
    """(the mean margin of one winner's segments, each with the weight of its range, the word for it)."""
    weighted = [(_span(s) or 1e-9, s.margin) for s in own if s.margin is not None]
    if len(weighted) < len(own):
        return None, "uncontested"
    margin = sum(weight * margin for weight, margin in weighted) / sum(weight for weight, _ in weighted)
    origins = ["predicted"] if any("predicted" in s.confidence for s in own) else []
    return margin, confidence(margin, min(s.n_points for s in own), origins)


def _span(segment: Segment) -> float:
    return log(segment.high_s / segment.low_s)


def cells(verdict: FrontierVerdict | None, marks: Iterable[float]) -> list[MarkCell]:
    """The winner at each mark; an empty cell where no accelerator with a price has data."""
    by_value = {c.value: c for c in verdict.comparisons} if verdict else {}
    return [_cell(by_value.get(mark)) for mark in marks]


def _cell(comparison: CompareAnswer | None) -> MarkCell:
    if comparison is None or comparison.winner is None:
        return MarkCell(None, None, "", None)
    pair = [c for c in comparison.candidates[:2] if c.usd_per_mtok_total is not None]
    margin, origins = comparison.margin, [c.origin for c in pair]
    alone = "uncontested, predicted" if "predicted" in origins else "uncontested"
    word = alone if margin is None else confidence(margin, min(c.n_points for c in pair), origins)
    return MarkCell(comparison.winner, margin, word, comparison.better_at_lower_latency)
