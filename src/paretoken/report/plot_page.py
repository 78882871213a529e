"""A page of plots alone: what a command writes for `--plot FILE.html`. It loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from paretoken import __version__
from paretoken.report.page import assemble

Plot = Mapping[str, object]
"""A plot as `assets/base/render.js` takes it."""
TONES = ("#1f6fd0", "#c25a00", "#2a8a57", "#a04fb0", "#8a7a12", "#c0392b", "#1590a0", "#6b6f76", "#b5477f", "#5b6fb5")
"""Colours that stand at 3:1 or more against both grounds."""


def plot_page(title: str, plots: Iterable[Plot], note: str = "") -> str:
    """The page: each plot with its table, CSV and picture."""
    listed = list(plots)
    data = {"plots": [{"lines": [], "marks": [], **plot} for plot in listed]}
    return assemble(
        "plots.html.j2",
        ("report.css",),
        "plots/main.js",
        data,
        version=__version__,
        title=title,
        note=note,
        count=len(listed),
    )


def tone(place: int) -> str:
    """The colour of a series by its place."""
    return TONES[place % len(TONES)]


def table(heads: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> dict[str, object]:
    """The figures of a plot for its table and its CSV."""
    return {"heads": list(heads), "rows": [list(row) for row in rows]}
