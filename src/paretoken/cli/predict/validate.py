"""`paretoken validate`: the error of predictions on points that were held out of the fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli.asking import question
from paretoken.cli.options import as_json, bundles, catalog_folders
from paretoken.cli.predict.options import FileToWrite

if TYPE_CHECKING:
    from paretoken.answers.validate import ValidateAnswer
    from paretoken.predict.calibration.scoreboard import Score


@click.command("validate")
@click.argument("points", nargs=-1, type=click.Path(path_type=Path))
@click.option("--split", "splits", multiple=True, help="Hold out points by this split only (repeatable; default: all).")
@click.option("--models", default="targets", show_default=True, help="Score `targets` or `all` models.")
@click.option(
    "--by",
    type=click.Choice(["accelerator", "engine", "model", "source"]),
    multiple=True,
    help="Print coverage and width of intervals by this group (repeatable).",
)
@click.option("--plot", type=FileToWrite(".html", ".svg"), help="Draw nominal and observed coverage (.html or .svg).")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Run in N processes.")
@bundles
@catalog_folders
@as_json
def command(by: tuple[str, ...], plot: Path | None, as_json: bool, **values: object) -> None:
    """Cross-validate: refit without part of the points, predict that part, report the error.

    POINTS are files of operating points; those of all bundles by default. Scores of aggregated serving cover closed
    loops on one node without speculative decoding; `targets` are Llama 70B, DeepSeek R1/V3 and gpt-oss-120b. A
    crude baseline of eight parameters for each cell is fitted and scored on the same cases. For all models, the
    report also says how often predicted frontiers name the accelerator that wins at equal latency.

    Disaggregated serving, all models, has splits of its own: load, configuration and vendor. It shares cell,
    accelerator, engine and model with aggregated serving: a split of such a name holds out both. Its scores are
    apart for each vendor, with and without speculative decoding, and its ten worst cells are named.

    Intervals are scored by the share of cases inside (coverage) and by the upper over the lower end (width); each
    was made without the points it is scored on.

    \b
    Examples:
      paretoken validate
      paretoken validate --split cell --by model
      paretoken validate --models all --plot coverage.svg
      paretoken validate --split tp --split workload --models all --json
    """
    from paretoken.answers.seam import to_json
    from paretoken.answers.validate import ValidateQuestion, validate
    from paretoken.cli.output import print_json
    from paretoken.cli.progress import told_on_stderr

    with told_on_stderr("validating") as on_progress:
        answer = validate(question(ValidateQuestion, values), on_progress=on_progress)
    if as_json:
        print_json(to_json(answer))
    else:
        _print(answer)
        for name in by:
            _print_groups(answer, name)
    if plot:
        from paretoken.cli.predict.validate_plot import write_plot

        write_plot(answer.intervals, plot)


def _print_groups(answer: ValidateAnswer, by: str) -> None:
    """The intervals of the groups of one kind, those outside the range marked."""
    from paretoken.cli.output import print_table
    from paretoken.predict.calibration.coverage import RANGE

    low, high = RANGE
    print_table(
        f"90 % intervals by {by}",
        ("held out", by, "outcome", "cases", "in 90 %", "hi/lo", "coverage"),
        [
            [
                *(g.split, g.group, g.outcome, g.cases, g.coverage * 100, g.width),
                "" if low <= g.coverage <= high else "under" if g.coverage < low else "over",
            ]
            for g in answer.groups
            if g.by == by
        ],
        note=f"Groups of at least 20 cases, all models; marked if coverage is not {low:.0%} to {high:.0%}",
    )


def _print(answer: ValidateAnswer) -> None:
    if answer.scores:
        _print_single(answer)
    if answer.pools:
        _print_pools(answer)


def _print_pools(answer: ValidateAnswer) -> None:
    from paretoken.cli.output import print_table

    print_table(
        "Disaggregated serving, held out: error of the prediction against the observation",
        ("held out", "outcome", "cases", "MAPE %", "target %", "median %", "bias %", "in 90 %", "hi/lo", "verdict"),
        [
            [
                *(s.split, s.outcome, s.cases),
                *map(_percent, (s.mape, s.target, s.median, s.bias, s.coverage)),
                s.width,
                _missed(s),
            ]
            for s in answer.pools
        ],
        note="Disaggregated points are held out; single deployments of the same names are learned from. Throughput is "
        "per GPU of both pools. Missed: the MAPE is above the target.",
    )
    if answer.pool_cells:
        print_table(
            "Disaggregated cells with the largest median error, whole cells held out",
            ("accelerator", "engine", "model", "precision", "cases", "TPOT %", "tok/s/GPU %"),
            [
                [c.accelerator, c.engine, c.model, c.precision, c.cases, _percent(c.tpot), _percent(c.throughput)]
                for c in answer.pool_cells
            ],
            note="Sorted by the larger of the two median errors; cells of at least three cases.",
        )


def _print_single(answer: ValidateAnswer) -> None:
    from paretoken.cli.output import print_table

    print_table(
        "Held out: error of the prediction against the observation",
        (
            "held out",
            "outcome",
            "cases",
            "MAPE %",
            "crude %",
            "target %",
            "median %",
            "bias %",
            "in 90 %",
            "hi/lo",
            "target",
        ),
        [
            [
                *(s.split, s.outcome, s.cases),
                *map(_percent, (s.mape, s.crude, s.target, s.median, s.bias, s.coverage)),
                s.width if s.width == s.width else None,
                _missed(s),
            ]
            for s in answer.scores
        ],
        note="Missed: the MAPE is above the target; "
        "in 90 %: cases inside the 90 % interval; hi/lo: the median of its upper over its lower end; "
        "crude: MAPE of a closed form with eight parameters for each cell, on the same cases; "
        "noise floor, the same configuration run again within three days (median): "
        + (", ".join(f"{k} {v:.1%}" for k, v in answer.noise.items() if v == v) or "no such runs"),
    )
    print_table(
        "Held out: the winner at equal E2E latency",
        ("held out", "pairs", "right %", "crude %", "latencies", "winner right %"),
        [
            [split, r.pairs, _percent(r.right), _percent(r.crude), r.latencies, _percent(r.winner)]
            for split, r in answer.ranks.items()
        ],
        note="By throughput per GPU on frontiers of observed and of predicted points, all models; a pair counts "
        "at each latency that all four reach, if observed more than 5 % apart; winner: the best of all at a latency",
    )
    print_table(
        "Cells with the largest median error of TPOT",
        ("held out", "accelerator", "engine", "model", "precision", "cases", "factor", "reason"),
        [[c.split, c.accelerator, c.engine, c.model, c.precision, c.cases, c.factor, c.reason] for c in answer.worst],
        note="Each cell in the split where it is furthest off; factor: larger over smaller of predicted and observed",
    )


def _missed(score: Score) -> str:
    """A word where the error is above its target."""
    return "missed" if score.target is not None and score.mape > score.target else ""


def _percent(share: float | None) -> float | None:
    return None if share is None or share != share else share * 100
