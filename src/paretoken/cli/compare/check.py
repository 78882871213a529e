"""`paretoken check`: whether new runs are a regression."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import rich_click as click

from paretoken.cli import options


@click.command("check", no_args_is_help=True)
@click.argument("runs", nargs=-1, required=True, type=Path, metavar="RUN…")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    required=True,
    type=Path,
    metavar="RUN",
    help="Baseline run or campaign (repeatable; several show the noise between runs).",
)
@click.option(
    "--at",
    type=click.Choice(["auto", "latency", "load"]),
    default="auto",
    show_default=True,
    help="Compare throughput at equal latency, or every figure at equal load; auto: at equal load if the runs "
    "share no latency, such as with one level on each side.",
)
@click.option(
    "--e2e", "e2e_s", multiple=True, type=options.Finite(0, min_open=True), help="E2E latency, s (repeatable)."
)
@click.option(
    "--interactivity",
    multiple=True,
    type=options.Finite(0, min_open=True),
    help="Interactivity, tok/s/user (repeatable).",
)
@click.option("--allow", default="2%", show_default=True, help="At equal latency: throughput drop to tolerate.")
@click.option("--force", is_flag=True, help="At equal load: compare runs whose settings differ.")
@click.option("--junit", type=Path, metavar="FILE", help="Also write the comparisons as JUnit XML.")
@click.option(
    "--summary",
    "summary_file",
    type=Path,
    metavar="FILE",
    help="Also write the verdict and the comparisons as Markdown, for a comment on a change.",
)
@click.option(
    "--annotations",
    type=click.Choice(["auto", "github", "gitlab", "none"]),
    default="auto",
    show_default=True,
    help="Annotate regressions: workflow commands of GitHub Actions, or gl-code-quality-report.json of GitLab; auto: "
    "those of GitHub where GITHUB_ACTIONS is set.",
)
@options.as_json
def command(
    runs: tuple[Path, ...],
    baselines: tuple[Path, ...],
    at: Literal["auto", "latency", "load"],
    e2e_s: tuple[float, ...],
    interactivity: tuple[float, ...],
    allow: str,
    force: bool,
    junit: Path | None,
    summary_file: Path | None,
    annotations: Literal["auto", "github", "gitlab", "none"],
    as_json: bool,
) -> None:
    """Compare new runs with a baseline; exit code 1 if one is worse beyond noise.

    RUN and the baseline are folders of 'paretoken bench' or 'paretoken campaign'. Without --e2e or
    --interactivity, three latencies that both sides reach are compared. '--at load' is the comparison
    of 'paretoken bench --compare BASELINE RUN'. Thresholds, GitHub Actions and GitLab: docs/regression.md.

    \b
    Examples:
      paretoken check runs/today --baseline runs/monday --baseline runs/tuesday
      paretoken check runs/today --baseline runs/release --e2e 10 --allow 3%
      paretoken check runs/today --baseline runs/release --at load
      paretoken check runs/today --baseline runs/release --junit check.xml
    """
    from paretoken.answers.check import CheckQuestion, check
    from paretoken.bench.workload.ladder import parse_fraction
    from paretoken.cli.compare.check_files import write_reports
    from paretoken.cli.compare.check_view import leave_on_regression, show_check

    question = CheckQuestion(
        runs=runs,
        baselines=baselines,
        at=at,
        e2e_s=e2e_s,
        interactivity=interactivity,
        allow=parse_fraction(allow),
        force=force,
    )
    answer = check(question)
    show_check(answer, question, as_json)
    write_reports(answer, runs, junit, summary_file, annotations)
    leave_on_regression(answer)
