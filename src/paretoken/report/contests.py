"""Contests between vendors at a study's marks, which its headline counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.priced import rank
from paretoken.answers.study.result import Panel, StudyResult
from paretoken.catalog.loader import Catalog
from paretoken.frontier.compare import candidates, to_axis
from paretoken.frontier.consistency import TIE, inconsistencies
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import NEAR_CROSSOVER, data_end, leaders, verdict_at
from paretoken.points.selection import Axis
from paretoken.points.software import days_apart
from paretoken.report.summary import headline_curves, panels_of, vendor_of, verdict_of

NEAR_TEXT = "within 5 % of a latency at which the vendor changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One mark at which accelerators of two or more vendors have a price: the cheapest of each against each other.

    `value` is the limit in the axis' own unit. Predictions take part only where vendors do not meet without them,
    emulated points never. `fragile` and `withheld` say why the verdict between the two would turn or is none;
    `data_end` which accelerators of other vendors led until their data end.
    """

    panel: Panel
    value: float
    vendor: str
    accelerator: str
    rival: str
    margin: float
    fragile: str | None
    data_end: str | None
    withheld: str | None
    days_apart: int | None
    predicted: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is part of a headline: it rests on points that were run and are consistent."""
        return self.withheld is None and not self.predicted

    @property
    def tie(self) -> bool:
        return self.margin < TIE


def contests(result: StudyResult, scenario: str, axis: Axis, tier: str) -> list[Contest]:
    """Every mark of every panel at which vendors meet."""
    met = []
    for panel in panels_of(result, scenario):
        verdict = verdict_of(panel, axis, tier)
        for comparison in verdict.comparisons if verdict else ():
            everyone = headline_curves(panel, axis)
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
    value = mark_of(comparison)
    latency_s, weight = to_axis(value, comparison.axis), comparison.tariff.tokens_per_usd_weight
    priced = tuple(c for c in curves if c.accelerator in weight)
    ranked = _ranked(priced, latency_s, comparison)
    vendors = [vendor_of(catalog, name) for name, _, _ in ranked]
    rival = next((i for i, vendor in enumerate(vendors) if vendor != vendors[0]), None)
    if rival is None:
        return None
    (first, first_usd, first_date), (second, second_usd, second_date) = ranked[0], ranked[rival]
    pair = {first, second}
    between = verdict_at([c for c in priced if c.accelerator in pair], latency_s, weight)
    order = panel.grids[comparison.axis].order
    barring = [i for i in inconsistencies(priced, leaders(priced, latency_s), latency_s, order) if i.bars(pair)]
    near = [_ranked(priced, x, comparison)[:1] for x in (latency_s / NEAR_CROSSOVER, latency_s * NEAR_CROSSOVER)]
    turns = any(not top or vendor_of(catalog, top[0][0]) != vendors[0] for top in near)
    fragile = NEAR_TEXT if turns else between.fragile if between and rival == 1 else None
    rivals = [c for c in priced if c.accelerator == first or vendor_of(catalog, c.accelerator) != vendors[0]]
    return Contest(
        panel=panel,
        value=value,
        vendor=vendors[0],
        accelerator=first,
        rival=second,
        margin=second_usd / first_usd - 1,
        fragile=fragile,
        data_end=data_end(rivals, latency_s, weight),
        withheld=str(barring[0]) if barring else between.withheld if between else None,
        days_apart=days_apart(first_date, second_date),
        predicted=predicted,
    )


def _ranked(
    curves: tuple[Curve, ...], latency_s: float, comparison: CompareAnswer
) -> list[tuple[str, float, str | None]]:
    """(accelerator, USD per million tokens, date of the software) of each within a limit, cheapest first."""
    ranking = rank(candidates(curves, latency_s), comparison.tariff).candidates
    return [(p.accelerator, p.usd_per_mtok_total, p.date) for p in ranking if p.usd_per_mtok_total is not None]


def mark_of(comparison: CompareAnswer) -> float:
    """The limit of a comparison in the axis' own unit; those of a study have one."""
    if comparison.value is None:
        raise AssertionError("a study compares at limits on its axes")
    return comparison.value


def wins(met: Iterable[Contest], by: Literal["vendor", "accelerator"] = "vendor") -> list[tuple[str, int, float]]:
    """(vendor or accelerator, contests won clear of a tie, median margin), most wins first."""
    margins: dict[str, list[float]] = {}
    for contest in met:
        if contest.counts and not contest.tie:
            margins.setdefault(getattr(contest, by), []).append(contest.margin)
    return sorted(((k, len(m), median(m)) for k, m in margins.items()), key=lambda w: (-w[1], w[0]))
