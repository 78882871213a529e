"""A campaign as tables and as a line that moves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from paretoken.cli.output import print_json, print_table
from paretoken.errors import ParetokenError

COLUMNS = ("job", "accelerator", "engine", "model", "precision", "tp", "workload", "status", "points", "of", "tries")


def show_plan(campaign, plan, as_json: bool) -> None:
    """What would run, in order, how long it measures, and what cannot run."""
    if as_json:
        print_json(
            {
                "campaign": campaign.name,
                "jobs": [asdict(job) for job in plan.jobs],
                "infeasible": plan.obstacles(),
                "points": plan.points,
                "seconds": plan.seconds,
                "untimed_points": plan.untimed,
            }
        )
        return
    rows = [
        (j.number, s.accelerator, s.engine, s.model, s.precision or None, s.tp, ", ".join(j.workloads), j.repeat)
        for j in plan.jobs
        for s in (j.serving,)
    ]
    print_table(campaign.title or campaign.name, (*COLUMNS[:6], "workloads", "repeat"), rows)
    for cell, why in plan.infeasible:
        click.echo(f"cannot run: {cell.serving.slug} {cell.workload}: {why}")
    known = f"{plan.seconds / 60:,.1f} min of measuring" if plan.seconds else "no estimate of the time"
    more = f", {plan.untimed} points without an estimate" if plan.untimed else ""
    click.echo(f"{len(plan.jobs)} server starts, {plan.points} points, {known}{more}; the starts come on top")


def show_status(folder, as_json: bool) -> None:
    """One row for each cell, then every reason."""
    from paretoken.campaign.collect import status
    from paretoken.campaign.slurm import states

    try:
        queue = states(folder)
    except ParetokenError as e:  # the state on disk is the truth; the queue is an extra
        click.echo(f"note: {e}", err=True)
        queue = {}
    rows = status(folder, queue)
    infeasible = folder.about()["infeasible"]
    if as_json:
        print_json({"folder": str(folder.folder), "cells": rows, "infeasible": infeasible})
        return
    table = [
        (
            r["job"],
            r["accelerator"],
            r["engine"],
            r["model"],
            r["precision"] or None,
            r["tp"],
            r["workload"],
            _at(r),
            r["points"],
            r["of"],
            r["attempts"] + (r["status"] not in ("pending", "failed")),
        )
        for r in rows
    ]
    print_table(str(folder.folder), COLUMNS, table)
    for r in rows:
        if r["reason"] and r["status"] == "failed":
            click.echo(f"failed: job {r['job']} {r['workload']}: {r['reason']}")
    for cell in infeasible:
        click.echo(
            f"cannot run: {cell['accelerator']} {cell['engine']} {cell['model']} {cell['workload']}: {cell['why']}"
        )


def _at(row) -> str:
    point = row["point"]
    if not point:
        return f"{row['status']}, Slurm: {row['queue']}" if row.get("queue") else row["status"]
    load = f"{point['users']} users" if point["users"] else f"{point['rate']:g} req/s"
    return f"running: {load}"


class CampaignView:
    """A bar over all points on a terminal; a line for each cell that ends, also where there is none."""

    def __init__(self, bar: bool) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not bar,
        )
        self.task = None
        self.seen: dict[str, str] | None = None

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(self, *failed: object) -> None:
        self.progress.__exit__(*failed)

    def look(self, folder) -> None:
        """Show what has changed since the last look."""
        from paretoken.campaign.collect import status

        rows = status(folder)
        if self.task is None:
            self.task = self.progress.add_task("", total=sum(r["of"] for r in rows))
        at = next((r for r in rows if r["status"] == "running"), None)
        where = f"{at['engine']} {at['model']} {at['workload']} {_at(at)}" if at else "starting a server"
        self.progress.update(self.task, completed=sum(r["points"] for r in rows), description=where)
        before, self.seen = self.seen, {r["folder"]: r["status"] for r in rows}
        for r in rows:
            if before is not None and before[r["folder"]] != r["status"] and r["status"] in ("done", "failed"):
                first = (r["reason"] or "").splitlines()[:1] if r["status"] == "failed" else []
                name = f"{r['accelerator']} {r['engine']} {r['model']} {r['precision']} tp{r['tp']} {r['workload']}"
                self.progress.console.print(
                    ": ".join([f"{r['status']}: {name}, {r['points']} points", *first]), markup=False, soft_wrap=True
                )
