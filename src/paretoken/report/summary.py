"""Verdicts as tables show them: who leads at each mark, and what panels they are of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.study.result import FrontierVerdict, Panel, StudyResult
from paretoken.catalog.loader import Catalog
from paretoken.emulated import EMULATED
from paretoken.frontier.consistency import is_stale
from paretoken.frontier.curve import Curve
from paretoken.points.selection import Axis


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


def headline_curves(panel: Panel, axis: Axis) -> tuple[Curve, ...]:
    """The panel's curves without the emulated."""
    return tuple(c for c in panel.curves[axis] if c.origin != EMULATED)


def judged(result: StudyResult) -> list[Panel]:
    """The panels with a priced curve: an accelerator without a price, such as this machine, leads nowhere."""
    return [p for p in result.panels if any(v.segments for v in p.verdicts)]


def engine_name(result: StudyResult, engine: str) -> str:
    """The engine's name in the catalog, or what the points call it."""
    return result.catalog.engines[engine].name if engine in result.catalog.engines else engine


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
