"""Bundles, installations and differences as tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paretoken.cli.cells import share
from paretoken.cli.output import console, echo, print_table
from paretoken.plural import counted
from paretoken.significant import NONE

if TYPE_CHECKING:
    from paretoken.answers.data_diff import DataDiffAnswer
    from paretoken.answers.verdict_change import CellVerdict, SoftwareChange, VerdictChange
    from paretoken.points.bundles import Bundle, Manifest
    from paretoken.points.contents import Content, ListedBundle
    from paretoken.points.install import Installation

HASH_SHOWN = 12


def show_list(bundles: Iterable[ListedBundle]) -> None:
    print_table(
        "Bundles of operating points",
        ("name", "installed", "rows", "used", "first day", "last day", "sources", "licences", "SHA-256"),
        [
            (
                m.name,
                m.retrieved[:10],
                m.rows,
                b.rows_used,
                m.first_day,
                m.last_day,
                "; ".join(m.sources),
                "; ".join(m.licences) or "not stated",
                m.points_sha256[:HASH_SHOWN],
            )
            for b in bundles
            for m in (b.manifest,)
        ],
        "used: rows that no newer bundle holds; --bundle NAME uses only the bundles named",
        spare=("licences", "SHA-256", "sources"),
    )


def show_verified(bundles: Iterable[Bundle]) -> None:
    print_table(
        "Verified: every hash and every row",
        ("name", "rows", "SHA-256"),
        [(b.name, b.manifest.rows, b.manifest.points_sha256) for b in bundles],
        spare=("rows",),
    )


def show_bundle(manifest: Manifest, rows: Iterable[Content]) -> None:
    """Where it comes from line by line, then its contents."""
    m = manifest
    lines = {
        "from": m.location,
        "installed": m.retrieved,
        "importer": m.importer,
        "licences": "; ".join(m.licences) or "not stated",
        "SHA-256 of the input": m.input_sha256,
        "SHA-256 of the points": m.points_sha256,
    }
    for name, value in lines.items():
        echo(f"{name}: {value}")
    for skipped in m.skipped:
        why = f"{skipped.reason}; first: {skipped.first}"
        echo(f"skipped: {counted(skipped.rows, 'row')}: {why}")
    print_table(
        f"{m.name}: {counted(m.rows, 'row')}",
        ("source", "model", "accelerator", "engine", "rows", "first day", "last day"),
        [(r.source, r.model, r.accelerator, r.engine, r.rows, r.first_day, r.last_day) for r in rows],
    )


def show_installed(done: Installation) -> None:
    m = done.bundle.manifest
    if not done.new:
        echo(f"{m.name} holds this input already; nothing was installed")
        return
    echo(f"installed {m.name}: {counted(m.rows, 'row')}, {m.first_day or 'undated'} to {m.last_day or 'undated'}")
    for skipped in m.skipped:
        echo(f"skipped: {counted(skipped.rows, 'row')}: {skipped.reason}", err=True)


def show_diff(answer: DataDiffAnswer) -> None:
    print_table(
        f"Verdicts that differ, {answer.before} to {answer.after}; {answer.tier} ({answer.tco})",
        ("model", "lengths", "serving", "at", "change", "before", "margin", "after", "margin", "by"),
        [_row(change) for change in answer.changes],
        "margin: extra tokens per dollar over the second; by: the winner whose data moved most",
    )
    echo(f"{counted(answer.flipped, 'verdict')} flipped of {answer.compared:,} that both have")


def _row(c: VerdictChange) -> tuple[object, ...]:
    from paretoken.answers.study.config import SERVING_FILTERS

    unit = "s" if c.axis == "e2e" else "tok/s/user"
    return (
        f"{c.model} {c.precision or ''}",
        f"{c.isl}/{c.osl}",
        SERVING_FILTERS[c.scenario].word,
        f"{c.value:g} {unit}",
        c.kind,
        _winner(c.before),
        share(c.before.margin if c.before else None),
        _winner(c.after),
        share(c.after.margin if c.after else None),
        _by(c.by) if c.by else NONE,
    )


def _winner(verdict: CellVerdict | None) -> str:
    return NONE if verdict is None else f"{verdict.winner} {verdict.engine}"


def _by(by: SoftwareChange) -> str:
    """`MI355X sglang 0.5.5 → 0.5.9, ×1.4`, or where a side has no data, that."""
    if by.throughput is None:
        when = "no data before" if by.engine_before is None else "no data after"
        return f"{by.accelerator}: {when}"
    before, after = f"{by.engine_before} {by.software_before}", f"{by.engine_after} {by.software_after}"
    return f"{by.accelerator}: {before} → {after}, ×{by.throughput:.2f}"


@contextmanager
def download_bar(location: str) -> Iterator[Callable[[int, int | None], None]]:
    """A function that moves a bar on stderr while an address is read; none on a pipe."""
    if "://" not in location or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("download", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
