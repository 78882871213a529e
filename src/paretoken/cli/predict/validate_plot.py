"""The calibration plot of `paretoken validate`: how many cases lie inside intervals, against how many should."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from paretoken.predict.calibration.coverage import NominalCoverage
from paretoken.report.page import write_page
from paretoken.report.plot_page import Plot, plot_page, table, tone

OUTCOMES = {"tpot": "TPOT", "throughput": "throughput"}
"""Outcomes that are drawn, with their titles."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c564b", "#7f7f7f", "#6a3d9a")
SIDE, MARGIN, GAP, LEGEND = 300, 50, 60, 150
Lines = dict[str, list[tuple[float, float]]]
"""Points of nominal and observed coverage, by split."""


def write_plot(coverages: Sequence[NominalCoverage], path: Path) -> None:
    """Write an SVG picture if the file name ends in .svg, else an HTML page."""
    svg = path.suffix.lower() == ".svg"
    write_page(picture(coverages) if svg else page(coverages), path)


def lines(coverages: Sequence[NominalCoverage], outcome: str) -> Lines:
    """The curve of every split for an outcome."""
    out: Lines = {}
    for c in coverages:
        if c.outcome == outcome:
            out.setdefault(c.split, []).append((c.nominal, c.observed))
    return out


def page(coverages: Sequence[NominalCoverage]) -> str:
    """A figure for each outcome."""
    note = "A line on the dashed diagonal has intervals that hold exactly as many cases as they should."
    return plot_page("Held-out cases inside the interval", [figure(coverages, outcome) for outcome in OUTCOMES], note)


def figure(coverages: Sequence[NominalCoverage], outcome: str) -> Plot:
    """Observed over nominal coverage of an outcome, a line for each split."""
    curves = {split: [(x * 100, y * 100) for x, y in points] for split, points in lines(coverages, outcome).items()}
    diagonal = {"name": "as many as they should", "color": "#80868f", "dash": "dashed", "points": [(0, 0), (100, 100)]}
    return {
        "title": f"{OUTCOMES[outcome][:1].upper()}{OUTCOMES[outcome][1:]}",
        "x": {"title": "nominal coverage, %", "min": 0, "max": 100},
        "y": {"title": "observed coverage, %", "min": 0, "max": 100},
        "lines": [
            diagonal,
            *(
                {"group": split, "name": split, "color": tone(i), "points": points, "label": True}
                for i, (split, points) in enumerate(curves.items())
            ),
        ],
        "marks": [
            {
                "group": split,
                "x": x,
                "y": y,
                "color": tone(i),
                "about": {"title": split, "rows": [f"{y:.1f} % of cases inside the {x:g} % interval"]},
            }
            for i, (split, points) in enumerate(curves.items())
            for x, y in points
        ],
        "table": table(
            ("Split", "Nominal, %", "Observed, %"),
            [(split, x, y) for split, points in curves.items() for x, y in points],
        ),
    }


def picture(coverages: Sequence[NominalCoverage]) -> str:
    """The curves as SVG, one square for each outcome."""
    squares = [_square(lines(coverages, outcome), outcome, i) for i, outcome in enumerate(OUTCOMES)]
    splits = dict.fromkeys(c.split for c in coverages)
    left = MARGIN + len(OUTCOMES) * (SIDE + GAP) - 30
    legend = [
        f'<line x1="{left}" x2="{left + 20}" y1="{y}" y2="{y}" stroke="{COLOURS[i % len(COLOURS)]}" stroke-width="2"/>'
        f'<text x="{left + 26}" y="{y + 4}">{escape(split)}</text>'
        for i, split in enumerate(splits)
        for y in [MARGIN + 10 + 20 * i]
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + LEGEND} {SIDE + 2 * MARGIN}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join([*squares, *legend])
        + "\n</svg>\n"
    )


def _square(curves: Lines, outcome: str, place: int) -> str:
    """Axes from 0 to 100 %, the diagonal, and the curves."""
    left = MARGIN + place * (SIDE + GAP)

    def at(x: float, y: float) -> str:
        return f"{left + x * SIDE:.1f},{MARGIN + (1 - y) * SIDE:.1f}"

    parts = [
        f'<rect x="{left}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999"/>',
        f'<polyline points="{at(0, 0)} {at(1, 1)}" stroke="#999" stroke-dasharray="4"/>',
        f'<text x="{left + SIDE / 2}" y="{MARGIN - 12}" text-anchor="middle">{OUTCOMES[outcome]}</text>',
        f'<text x="{left + SIDE / 2}" y="{MARGIN + SIDE + 36}" text-anchor="middle">nominal coverage, %</text>',
        f'<text transform="translate({left - 32} {MARGIN + SIDE / 2}) rotate(-90)" text-anchor="middle">'
        "observed coverage, %</text>",
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + tick * SIDE, MARGIN + (1 - tick) * SIDE
        parts.append(f'<text x="{x}" y="{MARGIN + SIDE + 18}" text-anchor="middle">{tick * 100:.0f}</text>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{tick * 100:.0f}</text>')
    for i, points in enumerate(curves.values()):
        track = " ".join(at(x, y) for x, y in points)
        colour = COLOURS[i % len(COLOURS)]
        parts.append(f'<polyline points="{track}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "\n".join(parts)
