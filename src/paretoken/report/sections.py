"""The report's static sections, in order: they need no script, and a printed page leaves them out.

A new section is one template in `templates/sections/` and one line in `SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from paretoken.answers.study.config import SERVING_FILTERS
from paretoken.answers.study.result import StudyResult
from paretoken.frontier.compare import tp_label
from paretoken.frontier.consistency import SAME_DATE_DAYS
from paretoken.points.changes import data_changes
from paretoken.points.selection import AXES, Axis
from paretoken.points.suspicious import MAX_ERROR_RATE, RULES, STALLED, THROUGHPUT_FACTOR, TTFT_FACTOR
from paretoken.prices.tariff import Tariff
from paretoken.report.coverage import coverage_chart, reasons
from paretoken.report.left_out import newer, withheld
from paretoken.report.money_sections import market, outlook, owners
from paretoken.report.numbers import shown
from paretoken.report.payload import priced_accelerators, shown_accelerators, styles
from paretoken.report.pools import disaggregated
from paretoken.report.summary import MarkCell, cells, panels_of, verdict_of
from paretoken.report.text import AXIS_NAMES, AXIS_UNITS, CONFIDENCE, panel_title, priced_as

Context = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Section:
    """`name` is its anchor and its template's name; `group` the heading it is under; `context` what it is given."""

    group: str
    name: str
    title: str
    context: Callable[[StudyResult], Context]


@dataclass(frozen=True, slots=True)
class WinnerMatrix:
    """Winners at the study's marks: a row for each panel."""

    title: str
    unit: str
    word: str
    marks: tuple[float, ...]
    rows: tuple[tuple[str, tuple[MarkCell, ...]], ...]


def sections(result: StudyResult) -> list[tuple[Section, Context]]:
    """Every section with what its template is given."""
    return [(section, section.context(result)) for section in SECTIONS]


def _verdicts(result: StudyResult) -> Context:
    matrices = [
        _matrix(result, scenario, axis, tariff)
        for scenario in result.study.scenarios
        for tariff in result.tariffs
        for axis in AXES
    ]
    return {
        "matrices": matrices,
        "counts": _counts([cell for m in matrices for _, row in m.rows for cell in row]),
        "days": SAME_DATE_DAYS,
        "confidence": CONFIDENCE,
        "styles": styles(result),
    }


def _counts(of_marks: Sequence[MarkCell]) -> dict[str, int]:
    verdicts = [c for c in of_marks if c.winner is not None]
    return {
        "verdicts": len(verdicts),
        "fragile": sum(c.fragile is not None for c in verdicts),
        "data_end": sum(c.data_end is not None for c in verdicts),
        "stale": sum(c.stale for c in verdicts),
        "withheld": sum(c.withheld is not None for c in of_marks),
    }


def _matrix(result: StudyResult, scenario: str, axis: Axis, tariff: Tariff) -> WinnerMatrix:
    marks = tuple(result.study.e2e_s if axis == "e2e" else result.study.interactivity_tok_s)
    rows = [(panel_title(p), cells(verdict_of(p, axis, tariff.tier), marks)) for p in panels_of(result, scenario)]
    title = f"{SERVING_FILTERS[scenario].title} · limit of {AXIS_NAMES[axis]} · {priced_as(tariff)}"
    word = "≤" if axis == "e2e" else "≥"
    return WinnerMatrix(title, AXIS_UNITS[axis], word, marks, tuple((name, tuple(row)) for name, row in rows if row))


def _hardware(result: StudyResult) -> Context:
    in_catalog = [k for k in shown_accelerators(result) if k in result.catalog.accelerators]
    return {
        "rows": [(k, result.catalog.accelerators[k]) for k in in_catalog],
        "unknown": [k for k in shown_accelerators(result) if k not in in_catalog],
        "tariff": result.tariffs[0],
        "styles": styles(result),
    }


def _prices(result: StudyResult) -> Context:
    return {
        "set": result.catalog.tco[result.study.tco],
        "tariffs": result.tariffs,
        "accelerators": priced_accelerators(result),
        "load": result.study.serving_load,
        "other_sets": [s for k, s in result.catalog.tco.items() if k != result.study.tco],
        "styles": styles(result),
    }


_RULES = {
    "errors": f"more than {MAX_ERROR_RATE:.0%} of the requests failed: the others had the server to themselves.",
    "units": "the latencies are out of all proportion to the throughput, as seconds in the place of milliseconds are.",
    "totals": "input and output throughput do not add up to the total.",
    "contradiction": "TPOT·(OSL−1) exceeds the end-to-end latency that Little’s law gives by more than that law’s own "
    "median error: the tokens after the first took longer than the whole request.",
    "throughput": f"throughput is off the log-log line through its two neighbours in load by more than a factor of "
    f"{THROUGHPUT_FACTOR:g}.",
    "superlinear": f"throughput grew more than {THROUGHPUT_FACTOR:g} times as much as the load did, which a closed "
    "loop cannot do: the lower point is unfinished warm-up.",
    "ttft": f"TTFT is more than {TTFT_FACTOR:g} times that of the next higher load: warm-up or compilation fell into "
    "the point.",
    "stalled": f"the end-to-end latency that Little’s law gives is more than {STALLED:g} times the row’s own: the run "
    "stood still for longer than it ran, or its throughput is per another GPU count.",
    "accuracy": "the server that gave the throughput failed its accuracy gate: it returned wrong tokens.",
}


def _flagged(result: StudyResult) -> Context:
    rows = pl.concat([p.flagged for p in result.panels]).unique(maintain_order=True)
    rules = [rule for rule in (*RULES, *result.n_flagged) if rule in set(rows["suspicious"]) | set(result.n_flagged)]
    return {
        "groups": [
            (rule, _RULES.get(rule, ""), result.n_flagged.get(rule, 0), _flagged_rows(rows.filter(suspicious=rule)))
            for rule in dict.fromkeys(rules)
        ],
        "n_points": result.n_points,
        "kept": result.study.suspicious,
    }


def _flagged_rows(rows: pl.DataFrame) -> list[dict[str, object]]:
    ordered = rows.sort("model", "precision", "isl", "accelerator", "engine", "concurrency", nulls_last=True)
    return [{**row, "tp_label": tp_label(row)} for row in ordered.iter_rows(named=True)]


def _sources(result: StudyResult) -> Context:
    rows = pl.concat([p.points for p in result.panels]).unique(maintain_order=True)
    table = (
        rows.group_by("source", "licence", "origin", maintain_order=True)
        .agg(
            n=pl.len(),
            first=pl.col("date").min(),
            last=pl.col("date").str.slice(-10).max(),
            bases=pl.col("e2e_basis").drop_nulls().unique(maintain_order=True),
        )
        .sort("n", descending=True)
    )
    return {
        "rows": table.to_dicts(),
        "n_used": rows.height,
        "n_points": result.n_points,
        "inferencex": any("inferencex" in s.casefold() for s in rows["source"].unique()),
    }


def _method(result: StudyResult) -> Context:
    return {"little": result.little_error, "study": result.study, "confidence": CONFIDENCE, "shown": shown}


def _changes(_: StudyResult) -> Context:
    return {"changes": data_changes()}


def _ecosystem(result: StudyResult) -> Context:
    entries = result.ecosystem.coverage.entries
    return {
        "newest": [(e, [p for p in e.subjects if p.files_nvidia]) for e in result.ecosystem.newest()],
        "entries": entries,
        "chart": coverage_chart(entries),
        "policies": list(dict.fromkeys(p for e in entries for p in e.policy)),
        "made": result.ecosystem.coverage.made,
        "source": result.ecosystem.coverage.source,
        "sources": result.ecosystem.coverage.sources,
        "moving": [e for e in entries if e.moving],
        "reasons": {e.engine: reasons(e) for e in result.ecosystem.newest()},
        "gates": result.ecosystem.accuracy,
    }


EVIDENCE, PRICES, METHOD = "Evidence", "Prices and hardware", "Sources and method"
SECTIONS = (
    Section(EVIDENCE, "verdicts", "Every verdict", _verdicts),
    Section(EVIDENCE, "withheld", "Withheld verdicts", withheld),
    Section(EVIDENCE, "newer", "Newer releases, not ranked", newer),
    Section(EVIDENCE, "disaggregated", "Disaggregated serving, predicted", disaggregated),
    Section(EVIDENCE, "flagged", "Points left out as suspicious", _flagged),
    Section(EVIDENCE, "ecosystem", "Ecosystem: CI coverage and accuracy", _ecosystem),
    Section(PRICES, "prices", "Prices", _prices),
    Section(PRICES, "owners", "What a GPU-hour costs its owner", owners),
    Section(PRICES, "market", "The rental market", market),
    Section(PRICES, "outlook", "Outlook", outlook),
    Section(PRICES, "hardware", "Hardware", _hardware),
    Section(METHOD, "sources", "Sources and licences", _sources),
    Section(METHOD, "changes", "Changes to the data", _changes),
    Section(METHOD, "method", "Method and its limits", _method),
)
