"""`paretoken study`: the main job."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.output import echo, echo_lines
from paretoken.cli.progress import told_on_stderr
from paretoken.garbage import no_collection
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.study.config import Study
    from paretoken.answers.study.result import StudyResult


@click.command("study")
@click.argument("study", default="amd-vs-nvidia")
@click.option("--out", type=Path, required=True, metavar="DIR", help="Write the outputs to this folder.")
@click.option("--measure-here", is_flag=True, help="Measure a small model on this machine too (under a minute).")
@click.option("--all", "whole", is_flag=True, help="Print the table of every model, precision and workload.")
@options.price
@options.bundles
@options.as_json
def command(
    study: str,
    out: Path,
    measure_here: bool,
    whole: bool,
    price_usd_per_gpu_h: dict[str, float],
    bundles: tuple[str, ...],
    as_of: date | None,
    as_json: bool,
) -> None:
    """Run a whole study: a TOML file, or a built-in name (default: amd-vs-nvidia).

    Prints the answer in a few lines, and with --all the table.
    Writes report.html, points.parquet, frontiers.csv, costs.csv, breakeven.csv, tco.csv,
    rents.csv, verdicts.json and study.toml (everything resolved, so that the run can be repeated), all or none of them.
    A study that predicts disaggregated serving also gets disaggregated.csv.

    \b
    Examples:
      paretoken study --out results
      paretoken study --out results --all
      paretoken study --out results --measure-here
      paretoken study my-study.toml --out results --json
      paretoken study results/study.toml --out again
    """
    with no_collection():
        changes: dict[str, object] = {
            "bundles": list(bundles),
            "as_of": as_of,
            "price_usd_per_gpu_h": price_usd_per_gpu_h,
        }
        _run(study, out, changes, measure_here=measure_here, whole=whole, as_json=as_json)


def _run(study: str, out: Path, changes: dict[str, object], *, measure_here: bool, whole: bool, as_json: bool) -> None:
    from paretoken.answers.study.config import load_study
    from paretoken.answers.study.outputs import check_out, write_study
    from paretoken.answers.study.run import run_study
    from paretoken.answers.study.tables import verdicts
    from paretoken.cli.output import print_json
    from paretoken.report.brief import brief
    from paretoken.report.html import render

    check_out(out)
    chosen = load_study(study).model_copy(update={key: value for key, value in changes.items() if value})
    if measure_here:
        chosen = _with_own_curve(chosen, out)
    with told_on_stderr("study") as say:
        say("computing frontiers and verdicts")
        result = run_study(
            chosen, on_progress=lambda done, total: say(f"sessions on {done} of {counted(total, 'deployment')}")
        )
        say("writing the report")
        written = write_study(result, out, render)
    if as_json:
        print_json({"answer": brief(result), **verdicts(result)})
        return
    if whole:
        _show_table(result)
    _show_brief(result, next(path for path in written if path.name == "report.html"), whole=whole)


def _with_own_curve(study: Study, out: Path) -> Study:
    """The study with a curve measured on this machine; where that fails, the study as it is, with a warning."""
    from datetime import datetime

    from paretoken.answers.study.config import with_points
    from paretoken.bench.embedded import measure_here
    from paretoken.cli.measure.live import LiveView, Quiet
    from paretoken.errors import ParetokenError

    run = out / f"here-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"
    watch = LiveView() if sys.stderr.isatty() else Quiet()
    echo("measuring a small model on this machine", err=True)
    try:
        with watch:
            return with_points(study, measure_here(run, watch))
    except ParetokenError as e:
        echo_lines(f"not measured here: {e}", err=True)
        return study


def _show_brief(result: StudyResult, report: Path, *, whole: bool) -> None:
    from paretoken.cli.output import console
    from paretoken.report.brief import brief, brief_lines

    out = console()
    for line in brief_lines(brief(result)):
        out.print(line, soft_wrap=not out.is_terminal)
    echo(f"Report: {report}{'' if whole else ' (--all prints the table)'}")


def _show_table(result: StudyResult) -> None:
    from paretoken.answers.study.config import SERVING_FILTERS
    from paretoken.answers.study.summary import summary_rows
    from paretoken.cli.output import console, print_table

    price = result.tariffs[0]
    bounds = [s.word for s in SERVING_FILTERS.values() if s.name in result.study.scenarios]
    print_table(
        f"{result.study.title or result.study.name}: cheapest tokens by end-to-end latency limit, "
        f"{price.name} ({price.price_set})",
        ("model", "precision", "workload", *(head for bound in bounds for head in (f"{bound} E2E s", bound))),
        summary_rows(result),
        "plain: one node, no speculative decoding; best known: any serving. The widest range of limits with one "
        "winner; margin: extra tokens per dollar over the second, median over the range",
    )
    out = console()
    for model, workload in result.gaps:
        out.print(f"no points: {model}, {workload}", style="dim")
    out.print()
