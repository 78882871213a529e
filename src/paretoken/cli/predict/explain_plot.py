"""The plot of `paretoken explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from paretoken.predict.explain import Explanation, TimeShare
from paretoken.report.page import write_page
from paretoken.report.plot_page import Plot, plot_page, table, tone

PHASES = {"decode": "decode step", "prompt": "prefill", "ttft": "TTFT"}
NAMED = 9.0
"""Percent from which a part has room for its name."""
BAR_PX = 34


def write_plot(explanations: Sequence[Explanation], path: Path) -> None:
    """One HTML file with a figure for each explanation."""
    note = "Predicted, not measured. Point at a part for what it is; the table lists all."
    write_page(plot_page("Where the time goes", map(figure, explanations), note), path)


class BarPart(NamedTuple):
    """A part in its bar: the row, its place among the parts of the phase, and its ends in percent."""

    part: TimeShare
    row: int
    place: int
    start: float
    end: float


def figure(explanation: Explanation) -> Plot:
    """The parts of a decode step, of a prompt and of the TTFT as stacked bars, in percent of each."""
    phases = [phase for phase in PHASES if any(p.phase == phase for p in explanation.parts)]
    segments = [s for row, phase in enumerate(phases) for s in _stacked(explanation.parts, phase, row)]
    d, users = explanation.case.deployment, explanation.case.concurrency
    return {
        "title": f"{d.model} {d.precision} on {d.hardware}, {d.engine}, concurrency {users:g}",
        "subtitle": "Share of the time of a decode step, of prefill and of TTFT",
        "x": {
            "title": "share of the time, %",
            "min": min(0.0, *(s.end for s in segments)),
            "max": max(100.0, *(s.end for s in segments)),
        },
        "y": {"categories": [PHASES[phase] for phase in phases]},
        "bars": [_bar(s) for s in segments],
        "texts": [_name(s) for s in segments if abs(s.end - s.start) >= NAMED],
        "height": 70 + 56 * len(phases),
        "table": table(
            ("Phase", "Part", "ms", "Share, %", "What"),
            [(PHASES[p.phase], p.name, p.seconds * 1e3, p.share * 100, p.what) for p in explanation.parts],
        ),
    }


def _stacked(parts: Sequence[TimeShare], phase: str, row: int) -> Iterator[BarPart]:
    """One bar; the part of a factor below 1 is negative and goes to the left of 0."""
    ends = {True: 0.0, False: 0.0}
    for place, part in enumerate(p for p in parts if p.phase == phase):
        side = part.share >= 0
        start, ends[side] = ends[side], ends[side] + part.share * 100
        yield BarPart(part, row, place, start, ends[side])


def _bar(s: BarPart) -> dict[str, object]:
    lines = [s.part.what, f"{s.part.seconds * 1e3:.2f} ms, {s.part.share:.1%} of {PHASES[s.part.phase]}"]
    shape = {"row": s.row, "from": s.start, "to": s.end, "height": BAR_PX, "color": tone(s.place)}
    return {**shape, "group": s.part.name, "about": {"title": s.part.name, "rows": lines}}


def _name(s: BarPart) -> dict[str, object]:
    return {"x": (s.start + s.end) / 2, "y": s.row, "text": s.part.name, "align": "center"}
