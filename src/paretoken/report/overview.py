"""The table of answers: for each model, precision and workload who leads and what to run, each kind of serving."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.answers.study.result import Panel, StudyResult
from paretoken.points.selection import Axis
from paretoken.report.picks import Pick, pick
from paretoken.report.summary import Lead, headline_segments, leads, panels_of, verdict_of, withheld_share

SHOWN_SHARE = 0.15
"""A lead over a smaller share of the range than this is left out, unless it is the largest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One kind of serving of one row: who leads over which part of the range, and what to run.

    `low` and `high` bound the range that could be judged, `withheld` is the share of the contested range without a
    verdict. `as_before` is set where this kind of serving adds no point to the one before.
    """

    leads: tuple[Lead, ...] = ()
    low: float | None = None
    high: float | None = None
    withheld: float = 0.0
    pick: Pick | None = None
    as_before: bool = False


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One model, precision and workload; a bound for each scenario."""

    model: str
    precision: str
    workload: str
    bounds: tuple[Bound, ...]


def judged(result: StudyResult) -> list[Panel]:
    """The panels with a priced curve: an accelerator without a price, such as this machine, leads nowhere."""
    return [p for p in result.panels if any(v.segments for v in p.verdicts)]


def overview(result: StudyResult, axis: Axis, tier: str) -> list[OverviewRow]:
    """A row for each model, precision and workload, with a bound for each scenario."""
    worth = {p.title for p in judged(result)}
    by_title: dict[str, list[Panel | None]] = {title: [] for title in dict.fromkeys(p.title for p in result.panels)}
    for scenario in result.study.scenarios:
        of_scenario = {p.title: p for p in panels_of(result, scenario)}
        for title, own in by_title.items():
            own.append(of_scenario.get(title))
    return [_row(result, own, axis, tier) for title, own in by_title.items() if title in worth]


def _row(result: StudyResult, own: list[Panel | None], axis: Axis, tier: str) -> OverviewRow:
    first = next(p for p in own if p)
    bounds = [
        Bound(as_before=True) if i and panel and panel is own[i - 1] else _bound(result, panel, axis, tier)
        for i, panel in enumerate(own)
    ]
    return OverviewRow(first.model, str(first.selection.precision).upper(), first.workload, tuple(bounds))


def _bound(result: StudyResult, panel: Panel | None, axis: Axis, tier: str) -> Bound:
    verdict = verdict_of(panel, axis, tier) if panel else None
    if panel is None or verdict is None:
        return Bound()
    parts = headline_segments(panel, verdict)
    everyone = leads(axis, parts)
    worth = tuple(lead for i, lead in enumerate(everyone) if i == 0 or lead.share >= SHOWN_SHARE)[:3]
    return Bound(
        leads=worth,
        low=min((lead.low for lead in everyone), default=None),
        high=max((lead.high for lead in everyone), default=None),
        withheld=withheld_share(parts),
        pick=pick(result, panel, verdict, parts),
    )
