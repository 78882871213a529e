"""The section of predicted disaggregated frontiers: a figure and a table for each model, workload and accelerator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from paretoken.answers.pool_frontiers import PoolFrontiers
from paretoken.answers.pool_rivals import MeasuredRow
from paretoken.answers.pool_thinned import thinned
from paretoken.answers.study.result import StudyResult
from paretoken.plural import counted
from paretoken.report.numbers import shown
from paretoken.report.payload import styles
from paretoken.report.pool_chart import Predicted, chart_title, interval_text, pool_chart
from paretoken.report.summary import engine_name


def disaggregated(result: StudyResult) -> Mapping[str, object]:
    """Every cell that was searched, and why others were not."""
    drawn = [c.frontiers for c in result.pooled if c.frontiers]
    return {
        "cells": [
            {
                "title": f"{chart_title(f, result.catalog)}, {engine_name(result, f.engine)}",
                "accelerator": f.accelerator,
                "chart": pool_chart(f, chart_title(f, result.catalog)),
                "rows": list(_rows(f)),
                "crossings": crossing_words(f),
                "slo": f.slo,
                "new": ", ".join(sorted({kind for r in f.predicted for kind in r.new_to_calibration})),
            }
            for f in drawn
        ],
        "missing": [
            (f"{result.catalog.models.title(c.model)} {c.precision} on {c.accelerator}, {c.workload}", c.why_not)
            for c in result.pooled
            if c.why_not
        ],
        "gpus": result.study.predict and result.study.predict.disaggregated_gpus,
        "styles": styles(result),
    }


def crossing_words(f: PoolFrontiers) -> str:
    """Where the two predicted frontiers cross, or why nothing can."""
    if not f.aggregated:
        return f"No aggregated frontier: {f.no_aggregated}."
    if not f.crossings_tok_s:
        return "The two predicted frontiers do not cross."
    return f"The two predicted frontiers cross at {', '.join(map(shown, f.crossings_tok_s))} tok/s/user."


def _rows(f: PoolFrontiers) -> Iterator[dict[str, str | None]]:
    sides: tuple[tuple[str, Sequence[Predicted]], ...] = (("disaggregated", f.predicted), ("aggregated", f.aggregated))
    for serving, rows in sides:
        for r in thinned(rows):
            yield {**_row(r, serving), "interval": interval_text(r), "ttft": _seconds(r.median_ttft_ms)}
    for m in f.measured:
        yield {**_row(m, m.serving), "interval": None, "ttft": _seconds(m.central_ttft_ms)}


def _row(r: Predicted | MeasuredRow, serving: str) -> dict[str, str | None]:
    return {
        "serving": serving,
        "origin": r.origin,
        "layout": r.layout or "not stated",
        "gpus": counted(r.n_gpus, "GPU") if r.n_gpus else "not stated",
        "engine": r.engine,
        "users": "not stated" if r.concurrency is None else f"{r.concurrency:,.0f}",
        "interactivity": shown(r.interactivity_tok_s),
        "tput": shown(r.total_tput_per_gpu_tok_s),
        "source": r.source if isinstance(r, MeasuredRow) else None,
    }


def _seconds(ms: float | None) -> str:
    return shown(None if ms is None else ms / 1e3)
