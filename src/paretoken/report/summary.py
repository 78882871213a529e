"""Counts and tables over all panels: who wins how often, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from statistics import median

from paretoken.answers.study.result import Comparison, Panel, StudyResult, Verdict
from paretoken.catalog.loader import Catalog
from paretoken.frontier import Axis, Curve, Segment, better_before, candidates, from_axis, to_axis
from paretoken.frontier.verdict import TIE, confidence
from paretoken.prices import rank


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Contest:
    """One mark at which accelerators of two or more vendors have a price: the cheapest of each against each other.

    `value` is the latency in the axis' own unit. Predictions take part only where vendors do not meet without them.
    """

    panel: Panel
    value: float
    vendor: str
    accelerator: str
    margin: float
    ended: str | None
    predicted: bool = False

    @property
    def fair(self) -> bool:
        """False if it rests on predictions, or was won for want of data: another vendor was better at a lower
        latency, where its data end."""
        return self.ended is None and not self.predicted

    @property
    def tie(self) -> bool:
        return self.margin < TIE


@dataclass(frozen=True, slots=True)
class Cell:
    """One mark of one panel. `confidence` is the word for the margin, "" where nobody has data.

    `ended` names who was better at a lower latency, where its data end.
    """

    winner: str | None
    margin: float | None
    confidence: str
    ended: str | None


def vendor_of(catalog: Catalog, accelerator: str) -> str:
    """The vendor's name, or "other" for an accelerator the catalog does not hold."""
    return catalog.accelerators[accelerator].vendor if accelerator in catalog.accelerators else "other"


def panels_of(result: StudyResult, scenario: str) -> list[Panel]:
    """One panel for each model, precision and workload: that of the scenario, else the earlier one it equals.

    A scenario that adds no point has no panel of its own.
    """
    allowed = result.study.scenarios[: result.study.scenarios.index(scenario) + 1]
    best: dict[tuple, Panel] = {}
    for panel in result.panels:
        if panel.scenario.name in allowed:
            key = (panel.question.model, panel.question.precision, panel.question.isl, panel.question.osl)
            best[key] = panel
    return list(best.values())


def verdict_of(panel: Panel, axis: Axis, tier: str) -> Verdict | None:
    """The panel's verdict on an axis at a tier."""
    return next((v for v in panel.verdicts if v.axis == axis and v.tariff.tier == tier), None)


def contests(result: StudyResult, scenario: str, axis: Axis, tier: str) -> list[Contest]:
    """Every mark of every panel at which vendors meet."""
    found = []
    for panel in panels_of(result, scenario):
        verdict = verdict_of(panel, axis, tier)
        for comparison in verdict.comparisons if verdict else ():
            everyone = panel.curves[axis]
            real = tuple(c for c in everyone if c.origin != "predicted")
            contest = _contest(result.catalog, panel, comparison, real)
            if contest is None and len(real) < len(everyone):
                contest = _contest(result.catalog, panel, comparison, everyone, predicted=True)
            if contest:
                found.append(contest)
    return found


def _contest(
    catalog: Catalog, panel: Panel, comparison: Comparison, curves: tuple[Curve, ...], *, predicted: bool = False
) -> Contest | None:
    """Who of these curves has the cheapest tokens at the comparison's mark and tariff; None if one vendor is alone."""
    latency_s, tariff = to_axis(comparison.value, comparison.axis), comparison.tariff
    cheapest: dict[str, tuple[float, str]] = {}
    for priced in rank(candidates(curves, latency_s), tariff).ranked:
        if priced.usd_per_mtok_total is not None:
            name = priced.candidate.accelerator
            cheapest.setdefault(vendor_of(catalog, name), (priced.usd_per_mtok_total, name))
    if len(cheapest) < 2:
        return None
    (vendor, first), (_, second) = sorted(cheapest.items(), key=lambda item: item[1])[:2]
    ended = better_before(curves, latency_s, tariff.tokens_per_usd_weight)
    other_vendor = ended is not None and vendor_of(catalog, ended) != vendor
    return Contest(
        panel, comparison.value, vendor, first[1], second[0] / first[0] - 1, ended if other_vendor else None, predicted
    )


def wins(found: Iterable[Contest], by: str = "vendor") -> list[tuple[str, int, float]]:
    """(vendor or accelerator, fair contests won clear of a tie, median margin), most wins first."""
    margins: dict[str, list[float]] = {}
    for contest in found:
        if contest.fair and not contest.tie:
            margins.setdefault(getattr(contest, by), []).append(contest.margin)
    return sorted(((k, len(m), median(m)) for k, m in margins.items()), key=lambda w: (-w[1], w[0]))


def leads(verdict: Verdict | None) -> list[Lead]:
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
    for stretch in judged:
        by_winner.setdefault(stretch.winner, []).append(stretch)
    found = [_lead(winner, own, total, verdict.axis) for winner, own in by_winner.items()]
    return sorted(found, key=lambda lead: -lead.share)


def _lead(winner: str, own: list[Segment], total: float, axis: Axis) -> Lead:
    span = sum(_span(s) for s in own)
    ends = sorted(from_axis(x, axis) for s in own for x in (s.low_s, s.high_s))
    if any(s.margin is None for s in own):
        return Lead(winner, span / total, ends[0], ends[-1], None, "uncontested")
    weights = [_span(s) or 1e-9 for s in own]
    margin = sum(w * s.margin for w, s in zip(weights, own, strict=True)) / sum(weights)
    origins = ["predicted"] if any("predicted" in s.confidence for s in own) else []
    word = confidence(margin, min(s.n_points for s in own), origins)
    return Lead(winner, span / total, ends[0], ends[-1], margin, word)


def _span(stretch: Segment) -> float:
    return log(stretch.high_s / stretch.low_s)


def cells(verdict: Verdict | None, marks: Iterable[float]) -> list[Cell]:
    """The winner at each mark; an empty cell where no accelerator with a price has data."""
    by_value = {c.value: c for c in verdict.comparisons} if verdict else {}
    return [_cell(by_value.get(mark)) for mark in marks]


def _cell(comparison: Comparison | None) -> Cell:
    if comparison is None or comparison.ranking.winner is None:
        return Cell(None, None, "", None)
    first, *rest = comparison.ranking.ranked
    pair = [p.candidate for p in (first, *rest[:1]) if p.usd_per_mtok_total is not None]
    margin, origins = comparison.ranking.margin, [c.origin for c in pair]
    alone = "uncontested, predicted" if "predicted" in origins else "uncontested"
    word = alone if margin is None else confidence(margin, min(c.n_points for c in pair), origins)
    return Cell(comparison.ranking.winner, margin, word, comparison.ended)
