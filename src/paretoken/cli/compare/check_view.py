"""The comparisons of a check as tables, and its exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from paretoken.cli.cells import TableCell, share, share_interval
from paretoken.cli.formats import PrintedTable, markdown_of, names_of
from paretoken.cli.output import console, echo, print_json, print_table
from paretoken.foreign_text import markdown_text
from paretoken.history.judgement import verdict

if TYPE_CHECKING:
    from paretoken.answers.check import CheckAnswer, CheckQuestion
    from paretoken.history.at_latency import ThroughputChange
    from paretoken.history.at_load import Difference, RunComparison

AT_LOAD = ("metric", "A", "B", "change", "95 % interval", "verdict", "detectable")
AT_LATENCY = ("at", "A", "B", "change", "interval", "verdict")
_UNITS = {"s": (", ms", 1e3), "tok/s": (", tok/s", 1.0), "share": (", %", 100.0)}
"""By unit of a figure: what its name gets, and the factor to that."""
MARK = "<!-- paretoken check -->"
"""First line of a summary, by which a bot finds its comment again."""
Comparisons: TypeAlias = tuple[str, tuple[str, ...], Sequence[tuple[object, ...]]]
"""Title, columns and rows of a table."""


def show_check(answer: CheckAnswer, question: CheckQuestion, as_json: bool) -> None:
    """Print every comparison, then what regressed; as JSON the comparisons alone."""
    from paretoken.answers.seam import to_json

    if answer.why_at_load:
        echo(f"note: compared at equal load, since {answer.why_at_load}", err=True)
    if as_json:
        print_json(to_json(answer)["changes" if answer.comparison is None else "comparison"])
        return
    sides = (("A, baseline", question.baselines), ("B, new", question.runs))
    for side, folders in sides:
        console().print(f"{side}: {', '.join(map(str, folders))}")
    if answer.comparison is None:
        _show_changes(answer.changes)
    else:
        _show_comparison(answer.comparison)
    for regression in answer.regressions:
        console().print(
            regression if regression.startswith(verdict(True)) else f"{verdict(True)}: {regression}", style="bold"
        )
    echo(answer.conclusion)


def leave_on_regression(answer: CheckAnswer) -> None:
    """Exit code 1 if anything regressed."""
    if answer.regressions:
        raise SystemExit(1)


def gate_on_regression(answer: CheckAnswer) -> None:
    """The same for a gate, with a line on stderr that says why it fails."""
    if answer.regressions:
        echo(f"gate: {answer.conclusion}", err=True)
    leave_on_regression(answer)


def _show_changes(changes: Sequence[ThroughputChange]) -> None:
    for title, columns, rows in _change_tables(changes):
        print_table(f"\n{title}", columns, rows)
    many = f"; the intervals allow for {len(changes)} comparisons (Bonferroni)" if len(changes) > 1 else ""
    console().print(f"worse: a drop beyond {changes[0].allowed:.0%} in the whole interval{many}", style="dim")
    if any(min(change.runs) == 1 for change in changes):
        echo("note: one run does not show the noise between runs; give several runs of each side", err=True)


def _change_tables(changes: Sequence[ThroughputChange]) -> Iterator[Comparisons]:
    """A table for each configuration."""
    for configuration, group in groupby(changes, key=lambda c: c.configuration):
        rows = [
            (c.latency, c.before, c.after, share(c.change), share_interval(c.low, c.high), c.verdict) for c in group
        ]
        yield f"Total tok/s/GPU at equal latency: {configuration}", AT_LATENCY, rows


def _show_comparison(comparison: RunComparison) -> None:
    from paretoken.bench.plan import load_name

    out = console()
    for key in comparison.differing:
        out.print(f"differs: {key}", style="yellow")
    for doubt in comparison.doubts:
        out.print(doubt, style="yellow")
    for title, columns, rows in _load_tables(comparison):
        print_table(f"\n{title}", columns, rows, spare=("detectable",))
    compared = len(comparison.differences)
    out.print(
        f"Each interval is of one metric alone; verdicts allow for all {compared} comparisons (Holm). "
        "detectable: the smallest change that shows four times in five",
        style="dim",
    )
    for scarce in comparison.scarce:
        out.print(str(scarce), style="yellow")
    for kind, value in comparison.unmatched:
        out.print(f"only one run has {load_name(kind, value)}", style="dim")


def _load_tables(comparison: RunComparison) -> Iterator[Comparisons]:
    """A table for each load."""
    from paretoken.bench.plan import load_name

    for load, group in groupby(comparison.differences, key=lambda d: d.load):
        yield load_name(*load), AT_LOAD, [_row(d) for d in group]


def summary(answer: CheckAnswer) -> str:
    """The verdict, every regression and every comparison in Markdown, for a comment on a change."""
    worse = len(answer.regressions)
    listed = "\n".join(f"- {markdown_text(regression)}" for regression in answer.regressions)
    parts = [f"{MARK}\n### {verdict(bool(worse))}: {answer.conclusion}"]
    parts += [listed] if listed else []
    comparison = answer.comparison
    tables = _change_tables(answer.changes) if comparison is None else _load_tables(comparison)
    for title, columns, rows in tables:
        table = PrintedTable(title=title, columns=columns, names=names_of(columns), rows=tuple(rows))
        parts.append(markdown_of(table).rstrip("\n"))
    return "\n\n".join([*parts, "A is the baseline, B the new run."]) + "\n"


def _row(d: Difference) -> tuple[object, ...]:
    unit, scale = _UNITS[d.unit]
    head = (d.figure.removesuffix(" throughput") + unit, d.a * scale, d.b * scale)
    if d.unit == "share":
        return *head, _points(d.change), _points(d.low, d.high), d.verdict, None
    return *head, share(d.change), share_interval(d.low, d.high), d.verdict, share(d.visible, ".1%")


def _points(*shares: float) -> TableCell:
    """A difference of two shares, or an interval of it, in percentage points."""
    values = tuple(one * 100 for one in shares)
    text = " to ".join(f"{value:+.1f} pp" for value in values)
    return TableCell(text, values, ("low %", "high %") if len(values) > 1 else ("",))
