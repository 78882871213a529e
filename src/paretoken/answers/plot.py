"""The table of an answer drawn with matplotlib: curves with their intervals, or bars; the marks tell the origins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from textwrap import fill
from typing import TYPE_CHECKING, TypeAlias

from paretoken.answers.rows import Row
from paretoken.errors import BadConfig, NoData
from paretoken.foreign_text import visible
from paretoken.points.selection import Axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE_CHARS = 90
MOST_MARKERS = 20
"""Markers of a curve, evenly along its points."""
Series: TypeAlias = tuple[str, str]
"""The label of a curve or bar, and its origin."""


@dataclass(frozen=True, slots=True)
class OriginMark:
    """How figures of an origin are drawn: marker and line of a curve, filled or hollow, hatch of a bar."""

    marker: str
    line: str
    filled: bool
    hatch: str


MARKS = {
    "measured": OriginMark("o", "-", True, ""),
    "published": OriginMark("s", "-", True, "//"),
    "predicted": OriginMark("^", "--", False, ".."),
    "emulated": OriginMark("x", ":", True, "xx"),
}
_UNKNOWN = OriginMark("D", "-.", False, "\\\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotAxes:
    """Which columns of a table a plot draws.

    `label` names the curve of a row, by its columns: `{accelerator} {engine}`. Without `x` each row is a bar. `low` and
    `high` are the ends of an interval, drawn as a band. The axes' labels state units. `log_x` is for latencies of loads
    that a deployment cannot keep up with beside those that it can.
    """

    label: str
    y: str
    y_label: str
    x: str = ""
    x_label: str = ""
    low: str = ""
    high: str = ""
    log_x: bool = False


LATENCY_COLUMN: dict[Axis, str] = {"e2e": "e2e_s", "interactivity": "interactivity_tok_s"}
_LATENCY_LABEL: dict[Axis, str] = {"e2e": "E2E latency (s)", "interactivity": "Interactivity (tok/s/user)"}


def over_latency(axis: Axis, y: str, y_label: str, label: str) -> PlotAxes:
    """The columns of a plot over the latency of an axis."""
    return PlotAxes(label=label, x=LATENCY_COLUMN[axis], x_label=_LATENCY_LABEL[axis], y=y, y_label=y_label)


def drawn(rows: Sequence[Row], axes: PlotAxes, title: str, ax: Axes | None = None) -> Axes:
    """The plot on `ax`, or on new axes; BadConfig without matplotlib, NoData where no row has the figures."""
    try:
        from matplotlib import pyplot, rc_context
    except ModuleNotFoundError as e:
        raise BadConfig(f"a plot needs {e.name}; pip install 'paretoken[notebook]'") from e
    rows = [r for r in rows if r.get(axes.y) is not None and (not axes.x or r.get(axes.x) is not None)]
    if not rows:
        raise NoData(f"nothing to plot: no row has {' and '.join(filter(None, (axes.x, axes.y)))}")
    # Before the context: new axes may start a backend, whose settings the end of the context would undo.
    ax = ax or pyplot.subplots(figsize=(9, 4.5), layout="constrained")[1]
    with rc_context({"text.parse_math": False}):  # a name with two $ is no formula
        _draw = _curves if axes.x else _bars
        _draw(ax, rows, axes)
        ax.set_title(fill(visible(title), TITLE_CHARS), loc="left", fontsize="medium")
        ax.grid(alpha=0.3)
    return ax


def _curves(ax: Axes, rows: Sequence[Row], axes: PlotAxes) -> None:
    curves: dict[Series, list[Row]] = {}
    for row in rows:
        curves.setdefault(_series(row, axes), []).append(row)
    for (label, origin), points in curves.items():
        points = sorted(points, key=lambda row: row[axes.x])
        mark, x = _mark(origin), [p[axes.x] for p in points]
        (line,) = ax.plot(
            x,
            [p[axes.y] for p in points],
            marker=mark.marker,
            markevery=-(-len(points) // MOST_MARKERS),
            markerfacecolor=None if mark.filled else "none",
            linestyle=mark.line,
            label=label,
        )
        if axes.low and all(p.get(axes.low) is not None and p.get(axes.high) is not None for p in points):
            low, high = ([p[c] for p in points] for c in (axes.low, axes.high))
            ax.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=1)
    ax.set_xlabel(axes.x_label)
    ax.set_ylabel(axes.y_label)
    ax.set_ylim(bottom=0)
    if axes.log_x:
        ax.set_xscale("log")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def _bars(ax: Axes, rows: Sequence[Row], axes: PlotAxes) -> None:
    """One bar a row, the first on top, origins in the legend."""
    colours = dict(zip(dict.fromkeys(row.get("origin") or "" for row in rows), cycle(_COLOURS)))
    drawn_origins: set[str] = set()
    for place, row in enumerate(rows):
        origin = row.get("origin") or ""
        ax.barh(
            place,
            height=0.6,
            width=row[axes.y],
            xerr=_error(row, axes),
            color=colours[origin],
            edgecolor="white",
            hatch=_mark(origin).hatch,
            capsize=3,
            label=visible(origin) if origin not in drawn_origins else None,
        )
        drawn_origins.add(origin)
    ax.set_yticks(range(len(rows)), [_series(row, axes)[0] for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel(axes.y_label)
    ax.legend(title="origin", fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


_COLOURS = ("C0", "C1", "C2", "C3")


def _mark(origin: str) -> OriginMark:
    """That of the first word: a plan's `predicted from points of this deployment` is predicted."""
    return MARKS.get(origin.partition(" ")[0], _UNKNOWN)


def _error(row: Row, axes: PlotAxes) -> list[list[float]] | None:
    """Lengths of the interval below and above the figure; None where an end is unknown."""
    low, high, value = row.get(axes.low), row.get(axes.high), row[axes.y]
    return None if low is None or high is None else [[max(0.0, value - low)], [max(0.0, high - value)]]


def _series(row: Row, axes: PlotAxes) -> Series:
    """Label and origin of the curve of a row; a bar has its origin in the legend."""
    origin = row.get("origin") or ""
    label = visible(axes.label.format_map(_Blank(row)))
    return (f"{label}, {origin}" if axes.x and origin else label), origin


class _Blank(dict[str, object]):
    """A row whose missing columns are empty in a label."""

    def __init__(self, row: Mapping[str, object]) -> None:
        super().__init__({name: "" if value is None else value for name, value in row.items()})

    def __missing__(self, key: str) -> str:
        return ""
