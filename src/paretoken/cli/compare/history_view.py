"""Series as a table, and their steps as lines."""

from __future__ import annotations

from dataclasses import asdict

import click

from paretoken.cli.output import percent, print_json, print_table

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


def show_series(found, as_json: bool) -> None:
    """Total tok/s/GPU of each series at both ends, then every step."""
    if as_json:
        print_json(
            [
                {
                    "of": dict(s.of),
                    "dates": s.dates,
                    "values": s.values,
                    "engine_versions": s.versions,
                    "steps": [{**asdict(step), "change": step.change, "date": s.dates[step.index]} for step in s.steps],
                }
                for s in found
            ]
        )
        return
    print_table("Total tok/s/GPU over time", COLUMNS, [_row(s) for s in found])
    for s in found:
        for step in s.steps:
            before, after = s.between(step)
            click.echo(
                f"{s.of['accelerator']} {s.of['engine']} {s.of['precision']} {s.of['isl']}/{s.of['osl']} {_load(s)}: "
                f"{step.change:+.1%} between {before} and {after} ({step.before:,.0f} → {step.after:,.0f} tok/s/GPU, "
                f"p = {step.p_value:.2g}){_versions(s, step)}"
            )


def _row(s) -> tuple:
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


def _load(s) -> str:
    if "e2e" in s.of:
        return f"{s.of['e2e']:g} s"
    if "interactivity" in s.of:
        return f"{s.of['interactivity']:g} tok/s/user"
    return f"{s.of['concurrency']:g} users" if s.of["concurrency"] else f"{s.of['request_rate']:g} req/s"


def _versions(s, step) -> str:
    before, after = s.versions[step.index - 1], s.versions[step.index]
    return f", {before} → {after}" if before != after and before and after else ""
