"""A campaign as tables and as a progress bar."""

from __future__ import annotations

from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from paretoken.cli.output import console, echo, echo_lines, print_json, print_table
from paretoken.errors import ParetokenError
from paretoken.foreign_text import visible
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.campaign.collect import CellProgress
    from paretoken.campaign.config import Campaign
    from paretoken.campaign.plan import Plan
    from paretoken.campaign.state import CampaignFolder

COLUMNS = ("job", "accelerator", "engine", "model", "precision", "tp", "workload", "status", "points", "of", "tries")


def show_plan(campaign: Campaign, plan: Plan, as_json: bool) -> None:
    """Print what would run, in order, how long it measures, and what cannot run."""
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
        echo(f"cannot run: {cell.serving.slug} {cell.workload}: {why}")
    untimed = f", {counted(plan.untimed, 'point')} without an estimate" if plan.untimed else ""
    estimate = (
        f"{plan.seconds / 60:,.1f} min of measuring without startup{untimed}" if plan.seconds else "no time estimate"
    )
    echo(f"{counted(len(plan.jobs), 'server start')}, {counted(plan.points, 'point')}, {estimate}")


def show_status(folder: CampaignFolder, as_json: bool) -> None:
    """Print one row for each cell, then the reason of every failure."""
    from paretoken.campaign.collect import status
    from paretoken.campaign.slurm import states

    try:
        queue = states(folder)
    except ParetokenError as e:  # the state on disk counts; the queue is an extra
        echo_lines(f"note: {e}", err=True)
        queue = {}
    rows = status(folder, queue)
    infeasible = folder.record()["infeasible"]
    if as_json:
        print_json({"folder": str(folder.folder), "cells": [asdict(cell) for cell in rows], "infeasible": infeasible})
        return
    table = [
        (
            cell.job,
            cell.accelerator,
            cell.engine,
            cell.model,
            cell.precision or None,
            cell.tp,
            cell.workload,
            _status(cell),
            cell.points,
            cell.of,
            cell.attempts + (cell.status not in ("pending", "failed")),
        )
        for cell in rows
    ]
    print_table(str(folder.folder), COLUMNS, table)
    for cell in rows:
        if cell.reason and cell.status == "failed":
            echo_lines(f"failed: job {cell.job} {visible(cell.workload)}: {cell.reason}")
    for row in infeasible:
        echo(f"cannot run: {row['accelerator']} {row['engine']} {row['model']} {row['workload']}: {row['why']}")


def _status(cell: CellProgress) -> str:
    point = cell.point
    if not point:
        return f"{cell.status}, Slurm: {cell.queue}" if cell.queue else cell.status
    load = counted(point["users"], "user") if point["users"] else f"{point['rate']:g} req/s"
    return f"running: {load}"


class CampaignView:
    """A bar over all points on a terminal, and a line for each cell that ends, on a terminal or not."""

    def __init__(self, bar: bool) -> None:
        self.console = console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not bar,
        )
        self.task: TaskID | None = None
        self.last: dict[str, str] | None = None

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.__exit__(kind, error, trace)

    def show(self, folder: CampaignFolder) -> None:
        """Update the bar and print the cells that ended since the last call."""
        from paretoken.campaign.collect import status

        cells = status(folder)
        if self.task is None:
            self.task = self.progress.add_task("", total=sum(cell.of for cell in cells))
        running = next((cell for cell in cells if cell.status == "running"), None)
        where = (
            f"{running.engine} {running.model} {running.workload} {_status(running)}"
            if running
            else "starting a server"
        )
        self.progress.update(self.task, completed=sum(cell.points for cell in cells), description=visible(where))
        before, self.last = self.last, {cell.folder: cell.status for cell in cells}
        for cell in cells:
            if before is not None and before[cell.folder] != cell.status and cell.status in ("done", "failed"):
                self._print(cell)

    def _print(self, cell: CellProgress) -> None:
        reason = (cell.reason or "").splitlines()[:1] if cell.status == "failed" else []
        name = f"{cell.accelerator} {cell.engine} {cell.model} {cell.precision} tp{cell.tp} {cell.workload}"
        line = ": ".join([f"{cell.status}: {name}, {counted(cell.points, 'point')}", *reason])
        self.progress.console.print(line, soft_wrap=True)
