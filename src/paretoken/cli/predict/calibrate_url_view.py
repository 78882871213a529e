"""The answer of `calibrate --url`, as tables and lines."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from paretoken.cli.cells import TableCell, interval
from paretoken.cli.output import console, print_table
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.calibrate_url import CalibrateUrlAnswer, CalibrateUrlQuestion, Interval, MeasuredLevel

HEADINGS = {"tpot": "TPOT ms", "ttft": "TTFT ms", "tput": "tok/s/GPU"}
DISAGREE = 0.15
"""Median throughput error of left-out levels above which the output advises to measure again."""
WORDS = {"tpot": "TPOT", "ttft": "TTFT", "tput": "throughput"}


def show(answer: CalibrateUrlAnswer, question: CalibrateUrlQuestion, levels: int, folder: Path) -> None:
    """Intervals before and after, measured levels beside their predictions, and how to use the file."""
    _intervals(answer, question)
    _levels(answer)
    out = console()
    errors = [f"{WORDS[f]} within {e:.1%}" for f in WORDS if (e := answer.error(f)) is not None]
    if errors:
        out.print(f"Each level predicted from the others, median: {', '.join(errors)}.")
    if (answer.error("tput") or 0) > DISAGREE:
        out.print(
            "The levels do not agree: other programs may have disturbed them, or they were too short; "
            "repeat on an idle machine, or with more --minutes.",
            style="yellow",
        )
    if answer.unusable:
        out.print(f"{counted(answer.unusable, 'level')} could not be used: no steady closed loop.", style="yellow")
    if answer.emulated:
        out.print("The server is emulated, so the calibration describes the emulation.", style="yellow")
    out.print(f"Fitted to {answer.points} of {counted(levels, 'level')}: {answer.out}   (runs: {folder})")
    slots = f" --max-num-seqs {n}" if (n := question.settings.max_num_seqs) else ""
    out.print(f"Use it with: paretoken predict --calibration {answer.out}{slots} …")


def _intervals(answer: CalibrateUrlAnswer, question: CalibrateUrlQuestion) -> None:
    print_table(
        f"Predicted before and after: {question.model} on {question.accelerator}, {question.engine}, "
        f"{question.isl}/{question.osl}",
        ("concurrency", "figure", "before", "90 %", "hi/lo", "after", "90 %", "hi/lo"),
        [
            [c.concurrency, HEADINGS[c.figure], *_ends(c.before), *_ends(c.after)]
            for c in sorted(answer.intervals, key=lambda c: (list(HEADINGS).index(c.figure), c.concurrency))
        ],
    )


def _ends(i: Interval) -> tuple[float, TableCell | None, float]:
    return i.middle, interval(i.low, i.high), i.high / i.low


def _levels(answer: CalibrateUrlAnswer) -> None:
    """One row for each level; `unseen` is the error of a fit to the other levels."""
    rows: dict[tuple[int, int, float], dict[str, MeasuredLevel]] = defaultdict(dict)
    for level in answer.levels:
        rows[level.isl, level.osl, level.concurrency][level.figure] = level
    figures = [cell for f in HEADINGS for cell in (HEADINGS[f], "predicted", "unseen %")]
    print_table(
        "Measured, and predicted by the calibration",
        ("lengths", "users", *figures),
        [[f"{isl}/{osl}", int(users), *_figures(row)] for (isl, osl, users), row in sorted(rows.items())],
        note="unseen: error of the prediction from all other levels",
    )


def _figures(row: dict[str, MeasuredLevel]) -> list[float | None]:
    cells: list[float | None] = []
    for figure in HEADINGS:
        level = row.get(figure)
        if level is None:
            cells += [None, None, None]
            continue
        unseen = None if level.left_out is None else (level.left_out / level.measured - 1) * 100
        cells += [level.measured, level.after, unseen]
    return cells
