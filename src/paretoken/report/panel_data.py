"""One panel of the study as columns: its points, its curves on the common grid, its verdicts."""

from __future__ import annotations

from math import isnan

import polars as pl

from paretoken.answers.compare import CompareAnswer, NewerRelease
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.study.result import FrontierVerdict, Panel
from paretoken.frontier.compare import TP_COLUMNS, from_axis, tp_label
from paretoken.frontier.curve import Curve
from paretoken.points.acceptance import DRAFTING_COLUMNS
from paretoken.points.selection import AXIS_COLUMN, Axis
from paretoken.report.lines import ON_ENVELOPE, Data, Intern, curve_line, envelopes
from paretoken.report.numbers import column, rounded
from paretoken.report.point_words import drafting, load, software_words

_NUMBERS = {
    "n": "n_gpus",
    "ep": "ep",
    "c": "concurrency",
    "ttft": "central_ttft_s",
    "tpot": "central_tpot_s",
    "e2e": "e2e_s",
    "t": "tput_per_gpu",
    "o": "output_tput_per_gpu",
    "i": "input_tput_per_gpu",
}
_TEXTS = {
    "a": "accelerator",
    "e": "engine",
    "v": "engine_version",
    "basis": "e2e_basis",
    "tb": "tput_basis",
    "d": "date",
    "s": "source",
    "r": "origin",
}


def panel_data(panel: Panel, text: Intern, tiers: list[str]) -> Data:
    """The panel as plain values. `text` keeps repeated strings; `tiers` orders the verdicts."""
    selection = panel.selection
    return {
        "model": selection.model,
        "modelName": panel.model,
        "precision": selection.precision,
        "workload": panel.workload,
        "isl": selection.isl,
        "osl": selection.osl,
        "scenario": panel.scenario.name,
        "scenarioTitle": panel.scenario.title,
        "flagged": panel.flagged.height,
        "points": _points(panel, text),
        "newer": [newer_data(n, text) for n in panel.newer],
        "axes": {axis: _axis(panel, axis, text, tiers) for axis in panel.grids},
    }


def _points(panel: Panel, text: Intern) -> Data:
    """The rows that can be placed on some axis, by columns; `f` + axis: 2 envelope, 1 frontier, 0 dominated."""
    rows = panel.points.filter(pl.col("tput_per_gpu").is_not_null())
    data: Data = {key: column(rows[name].to_list()) for key, name in _NUMBERS.items()}
    data |= {key: [text(v) for v in rows[name].to_list()] for key, name in _TEXTS.items()}
    data["tp"] = [text(tp_label(r)) for r in rows.select(TP_COLUMNS).iter_rows(named=True)]
    data["spec"] = [text(drafting(r)) for r in rows.select(DRAFTING_COLUMNS).iter_rows(named=True)]
    data["w"] = [text(software_words(*row)) for row in rows.select("software", "origin").iter_rows()]
    data["dpa"] = [None if v is None else int(v) for v in rows["dp_attention"].to_list()]
    for axis in panel.grids:
        data[f"f{axis}"] = _levels(rows, axis, panel.curves[axis])
    return data


def _levels(rows: pl.DataFrame, axis: Axis, curves: tuple[Curve, ...]) -> list[int]:
    """For every row 2 if it is a Pareto point and no other engine of its accelerator is better there, 1 if only that.

    Of equal rows the first is the Pareto point.
    """
    key = ("accelerator", "engine", "origin", AXIS_COLUMN[axis], "tput_per_gpu")
    levels: dict[tuple[object, ...], int] = {}
    for curve in curves:
        mine = [c for c in curves if (c.accelerator, c.origin) == (curve.accelerator, curve.origin)]
        for point in curve.points.select(key).iter_rows():
            *_, latency_s, tput = point
            best = max((v for c in mine if not isnan(v := c.value_within(latency_s))), default=0.0)
            levels[point] = 2 if tput >= ON_ENVELOPE * best else 1
    return [levels.pop(row, 0) for row in rows.select(key).iter_rows()]


def _axis(panel: Panel, axis: Axis, text: Intern, tiers: list[str]) -> Data:
    grid = panel.grids[axis]
    verdicts = {v.tariff.tier: v for v in panel.verdicts if v.axis == axis}
    return {
        "x": column((from_axis(x, axis) for x in grid.latency_s.tolist()), 5),
        "lines": envelopes(grid, text),
        "curves": [curve_line(c, axis, text) for c in panel.curves[axis]],
        "verdicts": {tier: _verdict(verdicts[tier], axis, text) for tier in tiers if tier in verdicts},
        "marks": _marks([verdicts[tier] for tier in tiers if tier in verdicts], text),
    }


def _verdict(verdict: FrontierVerdict, axis: Axis, text: Intern) -> Data:
    segments = [
        [
            rounded(from_axis(s.low_s, axis)),
            rounded(from_axis(s.high_s, axis)),
            text(s.winner),
            text(s.engine),
            text(s.origin),
            text(s.runner_up),
            rounded(s.margin),
            rounded(s.margin_min),
            rounded(s.margin_max),
            text(s.confidence),
            s.n_points,
            text(s.fragile),
            text(s.withheld),
            s.days_apart,
            text(s.data_end),
            text(s.acceptance),
        ]
        for s in verdict.segments
    ]
    crossings = [
        [rounded(from_axis(c.latency_s, axis)), text(c.ahead_below), text(c.ahead_above)] for c in verdict.crossovers
    ]
    return {"segments": segments, "crossovers": crossings}


def _marks(verdicts: list[FrontierVerdict], text: Intern) -> list[Data]:
    """The comparisons at the study's marks: candidates once, their order and the margin for each tier."""
    if not verdicts:
        return []
    return [_mark(of_tiers, text) for of_tiers in zip(*(v.comparisons for v in verdicts), strict=True)]


def _mark(of_tiers: tuple[CompareAnswer, ...], text: Intern) -> Data:
    first = of_tiers[0]
    everyone = [*first.candidates, *first.other_engines]
    return {
        "at": first.value,
        "rows": [_candidate(c, text) for c in everyone],
        "no": [[text(name), text(why)] for name, why in first.no_data.items()],
        "tiers": {c.tariff.tier: _order(c, everyone) for c in of_tiers},
    }


def _order(comparison: CompareAnswer, everyone: list[PricedCandidate]) -> Data:
    place = {_key(c): i for i, c in enumerate(everyone)}
    return {
        "ranked": [place[_key(c)] for c in comparison.candidates],
        "others": [place[_key(c)] for c in comparison.other_engines],
        "margin": rounded(comparison.margin),
        "confidence": comparison.confidence,
        "fragile": comparison.fragile,
        "dataEnd": comparison.data_end,
        "withheld": comparison.withheld,
        "acceptance": comparison.acceptance,
        "daysApart": comparison.days_apart,
    }


def _key(candidate: PricedCandidate) -> tuple[str, str, str]:
    return candidate.accelerator, candidate.engine, candidate.origin


def _candidate(c: PricedCandidate, text: Intern) -> list[object]:
    point = c.recommended
    return [
        text(c.accelerator),
        text(c.engine),
        text(c.origin),
        rounded(c.tput_per_gpu, 5),
        rounded(c.output_tput_per_gpu, 5),
        rounded(c.input_tput_per_gpu, 5),
        rounded(c.e2e_s),
        rounded(c.interactivity_tok_s),
        text(c.e2e_basis),
        text(load(point)),
        text(software_words(c.software, c.origin)),
        text(c.date),
        text(c.source),
        c.n_points,
        c.interpolated,
        rounded(point["tput_per_gpu"], 5),
        rounded(point["e2e_s"]),
        rounded(point["interactivity_tok_s"]),
    ]


def newer_data(newer: NewerRelease, text: Intern) -> Data:
    """The points of a newer release that is not ranked: drawn beside the curves, part of no verdict."""
    points = newer.points
    return {
        "a": text(newer.accelerator),
        "e": text(newer.engine),
        "r": text(newer.origin),
        "w": text(software_words(newer.software, newer.origin)),
        "d": text(newer.date),
        "of": text(software_words(newer.instead_of, newer.origin)),
        "e2e": column(p["e2e_s"] for p in points),
        "inter": column(p["interactivity_tok_s"] for p in points),
        "t": column(p["tput_per_gpu"] for p in points),
        "load": [text(load(p)) for p in points],
    }
