"""The tables of a study as plain rows for CSV, and its verdicts for JSON; units stand in the keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields

from pydantic.main import IncEx

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.cost import CostAnswer
from paretoken.answers.frontier import FrontierAnswer
from paretoken.answers.rent_curve import BreakevenPoint
from paretoken.answers.seam import to_json
from paretoken.answers.study.economy import Economy
from paretoken.answers.study.pooled import pooled_table
from paretoken.answers.study.result import FrontierVerdict, Panel, StudyResult
from paretoken.frontier.compare import from_axis
from paretoken.frontier.consistency import Inconsistency
from paretoken.frontier.curve import CurvePoint
from paretoken.frontier.verdict import Crossover, Segment
from paretoken.points.selection import Axis
from paretoken.prices.market.prices import cell_json
from paretoken.prices.owner.rows import owner_cost

Row = dict[str, object]
VERDICTS_VERSION = 2
_BREAKEVEN = tuple(field.name for field in fields(BreakevenPoint))


def study_tables(result: StudyResult) -> dict[str, list[Row]]:
    """The rows of frontiers.csv, costs.csv and breakeven.csv over all panels, of tco.csv and rents.csv, by stem.

    Those of disaggregated.csv, too, if the study predicts any.
    """
    tables: dict[str, list[Row]] = {"frontiers": [], "costs": [], "breakeven": []}
    tables |= {"tco": list(_owner_rows(result.economy)), "rents": list(_rent_rows(result.economy))}
    if pooled := pooled_table(result.pooled):
        tables["disaggregated"] = pooled
    for panel in result.panels:
        cell = panel_row(panel)
        tables["frontiers"] += ({**cell, **row} for row in to_json(FrontierAnswer(panel.frontier))["points"])
        tables["costs"] += ({**cell, **row} for row in to_json(CostAnswer(panel.costs, ()))["points"])
        tables["breakeven"] += (
            {**cell, **{name: getattr(point, name) for name in _BREAKEVEN}}
            for curve in panel.break_even
            for point in curve
        )
    return tables


def verdicts(result: StudyResult) -> Row:
    """The content of verdicts.json."""
    error = result.little_error
    return {
        "schema_version": VERDICTS_VERSION,
        "paretoken": result.version,
        "date": result.made_on,
        "study": result.study.name,
        "e2e_by_little_error": {"median": error.median, "p5": error.p5, "p95": error.p95, "rows": error.n},
        "gaps": [{"model": m, "workload": w} for m, w in result.gaps],
        "inconsistencies": [
            {**panel_row(p), **_inconsistency_row(i)} for p in result.panels for i in p.inconsistencies
        ],
        "newer_releases": [{**panel_row(p), **to_json(n)} for p in result.panels for n in p.newer],
        "verdicts": [_verdict_row(p, v) for p in result.panels for v in p.verdicts],
    }


def panel_row(panel: Panel) -> Row:
    """The columns that name a panel."""
    selection = panel.selection
    return {
        "model": selection.model,
        "precision": selection.precision,
        "isl": selection.isl,
        "osl": selection.osl,
        "workload": panel.workload,
        "scenario": panel.scenario.name,
    }


def _verdict_row(panel: Panel, verdict: FrontierVerdict) -> Row:
    return {
        **panel_row(panel),
        "axis": verdict.axis,
        "tco": verdict.tariff.price_set,
        "tier": verdict.tariff.tier,
        "segments": [_segment_row(s, verdict.axis) for s in verdict.segments],
        "crossovers": [_crossover_row(x, verdict.axis) for x in verdict.crossovers],
        "comparisons": [_comparison_row(c) for c in verdict.comparisons],
    }


_OF_RUN = ("tp", "prefill_tp", "n_gpus", "concurrency", "e2e_s", "interactivity_tok_s", "tput_per_gpu", "speculation")
_LEFT_OUT: dict[str, IncEx | bool] = {
    "around": True,
    "recommended": {name for name in CurvePoint.__annotations__ if name not in _OF_RUN},
}
_EACH: dict[str, IncEx | bool] = {"__all__": _LEFT_OUT}
_POINTS: IncEx = {"candidates": _EACH, "other_engines": _EACH}
"""What `compare` tells of each candidate's points and verdicts.json leaves out: frontiers.csv has it."""


def _comparison_row(comparison: CompareAnswer) -> Row:
    """A comparison without what verdicts.json holds elsewhere: the other bound and newer releases."""
    row = to_json(comparison, exclude=_POINTS)
    return {key: value for key, value in row.items() if key not in ("best_known", "newer_releases")}


def _inconsistency_row(pair: Inconsistency) -> Row:
    return {**to_json(pair), "ratio": pair.ratio, "text": str(pair)}


def _segment_row(segment: Segment, axis: Axis) -> Row:
    """A segment with its ends in the axis' own unit, `from` at the fast end."""
    values = asdict(segment)
    low, high = values.pop("low_s"), values.pop("high_s")
    return {"from": from_axis(low, axis), "to": from_axis(high, axis), **values}


def _crossover_row(crossover: Crossover, axis: Axis) -> Row:
    return {
        "at": from_axis(crossover.latency_s, axis),
        "ahead_faster": crossover.ahead_below,
        "ahead_slower": crossover.ahead_above,
    }


def _owner_rows(economy: Economy) -> Iterator[Row]:
    """One row for each operator and accelerator: components, total, P5 to P95, capital and where it is from."""
    for operator, sets in economy.owners.items():
        for inputs in sets:
            cost, band = owner_cost(inputs), economy.bands[operator][inputs.accelerator]["hour"]
            row = {k: v for k, v in asdict(cost).items() if k not in ("components", "inputs")}
            parts = {f"{name}_usd_per_gpu_h": usd for name, usd in cost.components.items()}
            yield row | parts | {"p5": band.p5 * cost.usd_per_gpu_h, "p95": band.p95 * cost.usd_per_gpu_h}


def _rent_rows(economy: Economy) -> Iterator[Row]:
    """One row for each accelerator and rental term that has any price."""
    for cell in (c for c in economy.cells if c.offers):
        yield {k: v for k, v in cell_json(cell).items() if k not in ("forms", "offers")}
