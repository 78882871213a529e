"""The comparisons of a check as lines, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretoken.cli.output import echo, print_json
from paretoken.history.judgement import conclusion, verdict

if TYPE_CHECKING:
    from paretoken.answers.check import CheckAnswer
    from paretoken.history.at_latency import ThroughputChange
    from paretoken.history.at_load import RunComparison


def show_check(answer: CheckAnswer, as_json: bool) -> None:
    """Print every comparison, then how many regressed; as JSON the comparisons alone."""
    from paretoken.answers.seam import to_json

    if as_json:
        print_json(to_json(answer)["changes" if answer.comparison is None else "comparison"])
        return
    if answer.comparison is None:
        _show_changes(answer.changes)
    else:
        _show_comparison(answer.comparison)
    echo(conclusion(len(answer.regressions), answer.comparisons))


def leave_on_regression(answer: CheckAnswer) -> None:
    """Exit code 1 if anything regressed."""
    if answer.regressions:
        raise SystemExit(1)


def gate_on_regression(answer: CheckAnswer) -> None:
    """The same for a gate, with a line on stderr that says why it fails."""
    if answer.regressions:
        echo(f"gate: {conclusion(len(answer.regressions), answer.comparisons)}", err=True)
    leave_on_regression(answer)


def _show_changes(changes: tuple[ThroughputChange, ...]) -> None:
    for change in changes:
        echo(str(change))
    if any(min(change.runs) == 1 for change in changes):
        echo("note: one run does not show the noise between runs; give several runs of each side", err=True)


def _show_comparison(comparison: RunComparison) -> None:
    from paretoken.cli.output import console

    out = console()
    for key in comparison.differing:
        out.print(f"differs: {key}", style="yellow")
    for doubt in comparison.doubts:
        out.print(doubt, style="yellow")
    for load in comparison.failed:
        out.print(f"{verdict(True)}: B failed at {load}", style="bold")
    for load in comparison.hidden:
        out.print(f"{verdict(True)}: B at {load} hides its TTFT and TPOT: answers arrive in one piece", style="bold")
    for difference in comparison.differences:
        line = f"{verdict(difference.regression)}: {difference}"
        out.print(line, style="bold" if difference.significant else None)
    for kind, value in comparison.unmatched:
        unit = "users" if kind == "closed" else "req/s"
        out.print(f"only one run has {value:g} {unit}", style="dim")
