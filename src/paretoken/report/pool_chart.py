"""The figure of disaggregated serving: throughput per GPU over interactivity, as the places of an SVG.

Both axes are logarithmic, so an interval of a constant ratio has the same height everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import floor, log10
from pathlib import Path

from markupsafe import Markup

from paretoken.answers.pool_frontiers import PoolFrontiers
from paretoken.answers.pool_rivals import AggregatedRow, MeasuredRow
from paretoken.answers.pool_thinned import Row, thinned
from paretoken.answers.pools import PooledRow
from paretoken.catalog.loader import Catalog
from paretoken.plural import counted
from paretoken.report.numbers import shown
from paretoken.report.page import environment, write_page
from paretoken.report.style import style_of

WIDTH, PLOT, TOP, LEFT, RIGHT, AXIS, LEGEND_LINE = 760.0, 400.0, 12.0, 64.0, 14.0, 48.0, 20.0
DECADE = (1, 2, 5)
STEP = 1.15
"""Ratio of interactivities between two marks of a predicted curve."""
LINE_STEP = 1.01
"""The same between its corners. Less is no gain of interactivity, but may cost most of the throughput."""

Predicted = PooledRow | AggregatedRow
Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class ChartDot:
    """A mark, and the text that a pointer over it shows."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartSeries:
    """One kind of serving of one origin. Predicted ones have a `line` and a `band`, others marks alone."""

    serving: str
    origin: str
    label: str
    legend_y: float
    dots: tuple[ChartDot, ...]
    line: str = ""
    band: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChart:
    """Everything that the SVG shows; coordinates are in SVG units."""

    title: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    series: tuple[ChartSeries, ...]


def pool_chart(frontiers: PoolFrontiers, title: str) -> PoolChart:
    """The predicted curves with their bands, and over them the points that were measured."""
    predicted: list[Predicted] = [*corners(frontiers.predicted), *corners(frontiers.aggregated)]
    xs = [r.interactivity_tok_s for r in (*predicted, *frontiers.measured) if r.interactivity_tok_s]
    ends = chain.from_iterable((r.total_tput_per_gpu_tok_s_lo, r.total_tput_per_gpu_tok_s_hi) for r in predicted)
    ys = [tput for tput in (*ends, *(r.total_tput_per_gpu_tok_s for r in frontiers.measured)) if tput]
    bottom = TOP + PLOT
    x, y = _log_scale(xs, LEFT, WIDTH - RIGHT), _log_scale(ys, bottom, TOP)
    series = tuple(_series(frontiers, x, y, bottom + AXIS))
    return PoolChart(
        title=title,
        width=WIDTH,
        height=bottom + AXIS + LEGEND_LINE * len(series) + 4,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=bottom,
        x_ticks=_ticks(xs, x),
        y_ticks=_ticks(ys, y),
        series=series,
    )


def write_pool_chart(frontiers: PoolFrontiers, path: Path, catalog: Catalog) -> None:
    """Write an SVG picture if the file name ends in .svg, else an HTML page."""
    vendor = catalog.accelerators[frontiers.accelerator.split("+")[0]].vendor
    chart = pool_chart(frontiers, chart_title(frontiers, catalog))
    template = environment().get_template("pool_chart.svg.j2")
    svg = template.render(chart=chart, style=style_of(frontiers.accelerator, vendor, catalog))
    if path.suffix.lower() != ".svg":
        svg = environment().get_template("pool_chart_page.html.j2").render(title=chart.title, svg=Markup(svg))  # noqa: S704
    write_page(svg, path)


def chart_title(f: PoolFrontiers, catalog: Catalog) -> str:
    """`DeepSeek R1 fp4 on GB200, 8192/1024`."""
    return f"{catalog.models.title(f.model)} {f.precision} on {f.accelerator}, {f.isl}/{f.osl}"


def corners(rows: Sequence[Row]) -> list[Row]:
    """Rows by falling interactivity without those that are less than `LINE_STEP` times as fast as the next one left.

    The slowest row stays.
    """
    kept: list[Row] = []
    for r in reversed(rows):
        if not kept or (r.interactivity_tok_s or 0) >= LINE_STEP * (kept[-1].interactivity_tok_s or 0):
            kept.append(r)
    return kept[::-1]


def point_text(r: Predicted | MeasuredRow) -> str:
    """Layout, GPUs, load, figures and origin of a point in one line."""
    layout = r.layout or "layout not stated"
    gpus = counted(r.n_gpus, "GPU") if r.n_gpus else "GPUs not stated"
    users = "load not stated" if r.concurrency is None else counted(int(r.concurrency), "user")
    interval = "" if isinstance(r, MeasuredRow) else f" (90 % interval {interval_text(r)})"
    return (
        f"{layout}, {gpus}, {users}: {shown(r.total_tput_per_gpu_tok_s)} tok/s/GPU{interval} at "
        f"{shown(r.interactivity_tok_s)} tok/s/user; {r.origin}, {r.engine}"
    )


def interval_text(r: Predicted) -> str:
    """`1,020 to 2,310`, tokens/s per GPU."""
    return f"{shown(r.total_tput_per_gpu_tok_s_lo)} to {shown(r.total_tput_per_gpu_tok_s_hi)}"


def _series(f: PoolFrontiers, x: Scale, y: Scale, legend_top: float) -> Iterable[ChartSeries]:
    place = 0
    for serving, rows in (("aggregated", f.aggregated), ("disaggregated", f.predicted)):
        if rows:
            yield _curve(serving, rows, _predicted_label(serving, rows), x, y, legend_top + LEGEND_LINE * place)
            place += 1
    for origin, serving in sorted({(r.origin, r.serving) for r in f.measured}):
        own = [r for r in f.measured if (r.origin, r.serving) == (origin, serving)]
        yield ChartSeries(
            serving=serving,
            origin=origin,
            label=f"{origin}, {serving}: {counted(len(own), 'point')} on the frontier, {_gpus(own)}, {_engines(own)}",
            legend_y=legend_top + LEGEND_LINE * place,
            dots=tuple(_dots(own, x, y)),
        )
        place += 1


def _curve(serving: str, rows: Sequence[Predicted], label: str, x: Scale, y: Scale, legend_y: float) -> ChartSeries:
    at = corners(rows)
    low = [(r.interactivity_tok_s, r.total_tput_per_gpu_tok_s_lo) for r in at]
    high = [(r.interactivity_tok_s, r.total_tput_per_gpu_tok_s_hi) for r in at]
    return ChartSeries(
        serving=serving,
        origin="predicted",
        label=label,
        legend_y=legend_y,
        dots=tuple(_dots(thinned(at, STEP), x, y)),
        line=_path(((r.interactivity_tok_s, r.total_tput_per_gpu_tok_s) for r in at), x, y),
        band=_path((*low, *reversed(high)), x, y),
    )


def _path(places: Iterable[tuple[float | None, float | None]], x: Scale, y: Scale) -> str:
    return " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in places if a and b)


def _dots(rows: Iterable[Predicted | MeasuredRow], x: Scale, y: Scale) -> Iterable[ChartDot]:
    for r in rows:
        if r.interactivity_tok_s and r.total_tput_per_gpu_tok_s:
            yield ChartDot(round(x(r.interactivity_tok_s), 1), round(y(r.total_tput_per_gpu_tok_s), 1), point_text(r))


def _predicted_label(serving: str, rows: Sequence[Predicted]) -> str:
    layouts = list(dict.fromkeys(r.layout for r in rows))
    of = layouts[0] if len(layouts) == 1 else counted(len(layouts), "layout")
    return f"predicted, {serving}: {of}, {_gpus(rows)}, {rows[0].engine}; shaded: 90 % interval"


def _gpus(rows: Sequence[Predicted | MeasuredRow]) -> str:
    sizes = sorted({r.n_gpus for r in rows if r.n_gpus})
    if not sizes:
        return "GPUs not stated"
    return counted(sizes[0], "GPU") if len(sizes) == 1 else f"{sizes[0]:,} to {counted(sizes[-1], 'GPU')}"


def _engines(rows: Sequence[MeasuredRow]) -> str:
    return ", ".join(sorted({r.engine for r in rows}))


def _log_scale(values: Sequence[float], start: float, end: float) -> Scale:
    """Places between `start` and `end` with a margin of 3 % on both sides."""
    low, high = log10(min(values)), log10(max(values))
    width = max(high - low, 0.1)
    low, high = low - 0.03 * width, low + 1.03 * width
    return lambda value: start + (log10(value) - low) / (high - low) * (end - start)


def _ticks(values: Sequence[float], scale: Scale) -> tuple[tuple[float, str], ...]:
    first, last = floor(log10(min(values))), floor(log10(max(values)))
    marks = (m * 10.0**e for e in range(first, last + 1) for m in DECADE)
    return tuple((round(scale(m), 1), f"{m:,.10g}") for m in marks if min(values) <= m <= max(values))
