"""Series as a table, and their steps as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli.output import percent, print_json, print_table
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.history import HistoryAnswer
    from paretoken.history.series import SeriesStep, ThroughputSeries

COLUMNS = (
    "accelerator",
    "engine",
    "precision",
    "TP",
    "lengths",
    "at",
    "dates",
    "from",
    "to",
    "first",
    "last",
    "change",
    "steps",
)


def show_history(answer: HistoryAnswer, as_json: bool) -> None:
    """Print total tok/s/GPU of each series at both ends, then every step; as JSON the series."""
    if as_json:
        from paretoken.answers.seam import to_json

        print_json(to_json(answer)["series"])
        return
    print_table("Total tok/s/GPU over time", COLUMNS, [_row(s) for s in answer.series])
    for s in answer.series:
        for step in s.steps:
            before, after = s.between(step)
            click.echo(
                f"{s.of['accelerator']} {s.of['engine']} {s.of['precision']} {s.of['isl']}/{s.of['osl']} {_load(s)}: "
                f"{step.change:+.1%} between {before} and {after} ({step.before:,.0f} → {step.after:,.0f} tok/s/GPU, "
                f"p = {step.p_value:.2g}){_versions(s, step)}"
            )


def _row(s: ThroughputSeries) -> tuple[object, ...]:
    return (
        s.of["accelerator"],
        s.of["engine"],
        s.of["precision"],
        s.of.get("tp"),
        f"{s.of['isl']}/{s.of['osl']}",
        _load(s),
        len(s.dates),
        s.dates[0],
        s.dates[-1],
        s.values[0],
        s.values[-1],
        percent(s.values[-1] / s.values[0] - 1),
        len(s.steps),
    )


def _load(s: ThroughputSeries) -> str:
    if "e2e" in s.of:
        return f"{s.of['e2e']:g} s"
    if "interactivity" in s.of:
        return f"{s.of['interactivity']:g} tok/s/user"
    return counted(float(s.of["concurrency"]), "user") if s.of["concurrency"] else f"{s.of['request_rate']:g} req/s"


def _versions(s: ThroughputSeries, step: SeriesStep) -> str:
    before, after = s.engine_versions[step.index - 1], s.engine_versions[step.index]
    return f", {before} → {after}" if before != after and before and after else ""
