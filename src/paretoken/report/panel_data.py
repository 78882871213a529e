"""One panel of the study as columns: its points, which of them make the curves, its verdicts."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from paretoken.answers.newer_releases import NewerRelease
from paretoken.answers.study.result import FrontierVerdict, Panel
from paretoken.frontier.compare import TP_COLUMNS, from_axis, tp_label
from paretoken.frontier.pareto import CURVE_KEY
from paretoken.points.acceptance import DRAFTING_COLUMNS
from paretoken.points.selection import AXIS_COLUMN, Axis
from paretoken.points.software import representative_day
from paretoken.report.numbers import column, rounded
from paretoken.report.point_words import drafting, load, software_words, source_address

Data = dict[str, object]
Intern = Callable[[str | None], int | None]
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
    "tl": "total_tput_per_gpu_tok_s_lo",
    "th": "total_tput_per_gpu_tok_s_hi",
}
_DIGITS = {"tpot": 6, "e2e": 6, "t": 6}
"""Of what curves run through: between points close to each other, fewer digits would bend them."""
_OFTEN_EMPTY = ("tl", "th", "rc")
"""Columns that a panel without predictions, or without points of verified runs, leaves out."""
_TEXTS = {
    "a": "accelerator",
    "e": "engine",
    "v": "engine_version",
    "basis": "e2e_basis",
    "tb": "tput_basis",
    "d": "date",
    "s": "source",
    "r": "origin",
    "rc": "receipt",
}


def panel_data(panel: Panel, text: Intern, tiers: list[str]) -> Data:
    """The panel as plain values. `text` keeps repeated strings; `tiers` orders the verdicts."""
    selection = panel.selection
    return {
        "model": selection.model,
        "modelName": panel.model,
        "precision": selection.precision,
        "workload": panel.workload,
        "scenario": panel.scenario.name,
        "scenarioTitle": panel.scenario.title,
        "scenarioShort": panel.scenario.short,
        "flagged": panel.flagged.height,
        "points": _points(panel, text),
        "newer": [newer_data(n, text) for n in panel.newer],
        "axes": {axis: _axis(panel, axis, text, tiers) for axis in panel.grids},
    }


def _points(panel: Panel, text: Intern) -> Data:
    """The rows that can be placed on some axis, by columns."""
    rows = panel.points.filter(pl.col("tput_per_gpu").is_not_null())
    data: Data = {key: column(rows[name].to_list(), _DIGITS.get(key, 4)) for key, name in _NUMBERS.items()}
    data |= {key: [text(v) for v in rows[name].to_list()] for key, name in _TEXTS.items()}
    data["tp"] = [text(tp_label(r)) for r in rows.select(TP_COLUMNS).iter_rows(named=True)]
    data["spec"] = [text(drafting(r)) for r in rows.select(DRAFTING_COLUMNS).iter_rows(named=True)]
    data["h"] = [text(source_address(*row)) for row in rows.select("source", "source_ref").iter_rows()]
    data["w"] = [text(software_words(*row)) for row in rows.select("software", "origin").iter_rows()]
    data["dpa"] = [None if v is None else int(v) for v in rows["dp_attention"].to_list()]
    empty = [key for key in _OFTEN_EMPTY if not rows[(_NUMBERS | _TEXTS)[key]].count()]
    return {key: values for key, values in data.items() if key not in empty}


def _curves(panel: Panel, axis: Axis, text: Intern) -> list[Data]:
    """Each curve of an axis with the places of its Pareto points in the columns of `_points`."""
    rows = panel.points.filter(pl.col("tput_per_gpu").is_not_null())
    key = (*CURVE_KEY, AXIS_COLUMN[axis], "tput_per_gpu")
    places = {row: i for i, row in reversed(list(enumerate(rows.select(key).iter_rows())))}
    return [
        {
            "a": text(c.accelerator),
            "e": text(c.engine),
            "r": text(c.origin),
            "w": text(software_words(c.software, c.origin)),
            "d": None if (day := representative_day(c.date)) is None else day.toordinal(),
            "p": [places[row] for row in c.points.select(key).iter_rows()],
        }
        for c in panel.curves[axis]
    ]


def _axis(panel: Panel, axis: Axis, text: Intern, tiers: list[str]) -> Data:
    verdicts = {v.tariff.tier: v for v in panel.verdicts if v.axis == axis}
    return {
        "curves": _curves(panel, axis, text),
        "verdicts": {tier: _verdict(verdicts[tier], axis, text) for tier in tiers if tier in verdicts},
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
            text(s.confidence.replace("thin", "few points")),
            s.n_points,
            text(s.fragile),
            text(s.withheld),
            s.days_apart,
            text(s.data_end),
            text(s.acceptance),
        ]
        for s in verdict.segments
    ]
    return {"segments": segments}


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
