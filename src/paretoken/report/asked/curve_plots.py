"""Curves of accelerators over latency as plots: what a frontier gives at every limit, and the points it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, isfinite, log
from typing import Any, TypeAlias

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.emulated import EMULATED
from paretoken.frontier.compare import from_axis
from paretoken.frontier.curve import Curve, CurvePoint
from paretoken.points.selection import Axis
from paretoken.prices.cost import usd_per_mtok
from paretoken.report.numbers import rounded, shown
from paretoken.report.plot_page import Plot, table
from paretoken.report.point_words import load, software_words, source_address
from paretoken.report.style import Style, style_of

SAMPLES = 60
HOLLOW = ("predicted", EMULATED)
AXES: dict[Axis, str] = {"e2e": "End-to-end latency, s", "interactivity": "Interactivity, tok/s per user"}
SIGNS: dict[Axis, str] = {"e2e": "≤", "interactivity": "≥"}
HEADS = ("Accelerator", "Engine", "Release", "Run", "E2E s", "tok/s/user", "tok/s/GPU", "Origin", "Source", "Date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is drawn of an accelerator's throughput, None where it has none; `says` is what a mark says of it."""

    title: str
    of: Callable[[str, float], float | None]
    says: Callable[[float], str]
    prefix: str = ""


THROUGHPUT = Figure(title="tok/s/GPU, input and output", of=lambda _, t: t, says=lambda t: f"{shown(t)} tok/s/GPU")


def cost_figure(usd_per_gpu_h: Callable[[str], float | None], serving_load: float = 1.0) -> Figure:
    """The cost of tokens at each accelerator's price of a GPU-hour."""

    def of(accelerator: str, tput: float) -> float | None:
        usd = usd_per_gpu_h(accelerator)
        return None if usd is None else usd_per_mtok(usd, tput, serving_load)

    def says(usd: float) -> str:
        return f"${shown(usd)} per million tokens"

    return Figure(title="$ per million tokens", of=of, says=says, prefix="$")


def curve_plot(
    curves: Sequence[Curve], axis: Axis, figure: Figure, catalog: Catalog, *, limit: float | None = None, **texts: str
) -> Plot:
    """The plot of a figure over a latency axis; without curves only the reason."""
    drawn = [c for c in curves if figure.of(c.accelerator, 1.0) is not None]
    lines = list(_best_lines(drawn, axis, figure, catalog))
    marks = [mark for c in drawn for mark in _marks(c, drawn, axis, figure, catalog)]
    if not marks:
        empty = {"min": 1, "max": 10}
        return {**texts, "x": empty, "y": empty, "empty": "Nothing here has data on this axis and a price."}
    xs, ys = ([m[key] for m in marks] for key in ("x", "y"))
    ends = log_range(xs)
    inside = limit is not None and ends["min"] < limit < ends["max"]
    return {
        **texts,
        "x": {"title": AXES[axis], "log": True, **ends},
        "y": {"title": figure.title, "prefix": figure.prefix, "log": True, **log_range(ys)},
        "lines": lines,
        "marks": marks,
        "rules": [{"x": limit, "text": f"limit {SIGNS[axis]} {limit:g}"}] if inside else [],
        "table": table(HEADS, [_row(c, p) for c in drawn for p in c.rows]),
    }


def log_range(values: Iterable[float]) -> dict[str, float]:
    """The ends of a logarithmic axis that holds all values, with room at both."""
    own = [v for v in values if v > 0 and isfinite(v)]
    low, high = min(own), max(own)
    room = exp(max(0.07, 0.05 * log(high / low)))
    return {"min": low / room, "max": high * room}


@cache
def tints(style: Style) -> dict[str, object]:
    """The colours of a line or mark for light and dark pages."""
    return {
        "color": [style.light, style.dark],
        "labelColor": [style.label_light, style.label_dark],
    }


def accelerator_style(accelerator: str, catalog: Catalog) -> Style:
    """The style of an accelerator of the catalog or of one's own points."""
    entry = catalog.accelerators.entries.get(accelerator)
    return style_of(accelerator, entry.vendor if entry else "", catalog)


def _best_lines(curves: Sequence[Curve], axis: Axis, figure: Figure, catalog: Catalog) -> Iterator[dict[str, object]]:
    """For each accelerator and origin the best of its engines within every limit.

    It breaks where the engine changes, and is dotted beyond the engine's last point, whose throughput it keeps.
    """
    groups: dict[tuple[str, str], list[Curve]] = {}
    for c in curves:
        groups.setdefault((c.accelerator, c.origin), []).append(c)
    for (accelerator, origin), own in groups.items():
        predicted = origin in HOLLOW
        style = {
            "group": accelerator,
            "name": f"{accelerator} {origin}" if predicted else accelerator,
            **tints(accelerator_style(accelerator, catalog)),
        }
        run, beyond = _best_points(own, axis, figure)
        yield {**style, "dash": "dashed" if predicted else "solid", "points": run, "label": True}
        if any(beyond):
            yield {**style, "dash": "dotted", "width": 1.6, "points": beyond, "label": False}


Place: TypeAlias = list[float | None] | None


def _best_points(own: Sequence[Curve], axis: Axis, figure: Figure) -> tuple[list[Place], list[Place]]:
    """The points of a line within what was run, and beyond it, by rising latency; None where a line breaks."""
    low, high = min(c.range_s[0] for c in own), max(c.range_s[1] for c in own)
    at = np.unique(np.concatenate([np.geomspace(low, high, SAMPLES), *(c.latency_s for c in own)]))
    at = at[(at >= low) & (at <= high)]
    tput = np.nan_to_num(np.stack([c.within(at) for c in own]), nan=-1.0)
    leaders = tput.argmax(axis=0)
    run, beyond, before = list[Place](), list[Place](), leaders[0]
    for i, (seconds, leader) in enumerate(zip(at.tolist(), leaders, strict=True)):
        y = figure.of(own[leader].accelerator, float(tput[leader, i]))
        place: Place = None if y is None else [rounded(from_axis(seconds, axis)), rounded(y)]
        if leader != before:
            run.append(None)
            beyond.append(None)
        flat = seconds > own[leader].range_s[1]
        run.append(None if flat else place)
        beyond.append(place if flat or (run and seconds == own[leader].range_s[1]) else None)
        before = leader
    return run, beyond


def _marks(
    curve: Curve, curves: Sequence[Curve], axis: Axis, figure: Figure, catalog: Catalog
) -> Iterator[dict[str, Any]]:
    """The points of a curve, faint where another engine of the accelerator serves more."""
    rivals = [c for c in curves if (c.accelerator, c.origin) == (curve.accelerator, curve.origin) and c is not curve]
    style = accelerator_style(curve.accelerator, catalog)
    for latency_s, point in zip(curve.latency_s.tolist(), curve.rows, strict=True):
        y = figure.of(curve.accelerator, point["tput_per_gpu"])
        if y is None or latency_s > curve.range_s[1]:
            continue
        yield {
            "group": curve.accelerator,
            "key": f"{curve.accelerator}|{curve.engine}|{curve.origin}|{latency_s:.6g}",
            "x": rounded(from_axis(latency_s, axis)),
            "y": rounded(y),
            "shape": style.shape,
            **tints(style),
            "hollow": curve.origin in HOLLOW,
            "faint": any(c.value_within(latency_s) > point["tput_per_gpu"] for c in rivals),
            "about": _about(curve, point, figure.says(y)),
        }


def _about(curve: Curve, point: CurvePoint, says: str) -> dict[str, object]:
    latency = [f"{shown(point['e2e_s'])} s end to end"] if point["e2e_s"] else []
    latency += [f"{shown(point['interactivity_tok_s'])} tok/s per user"] if point["interactivity_tok_s"] else []
    rows = [says, ", ".join(latency), load(point), software_words(curve.software, curve.origin)]
    dated = f", {point['date']}" if point["date"] else ""
    return {
        "title": f"{curve.accelerator} {curve.engine}",
        "rows": [*filter(None, rows), f"{curve.origin}: {point['source']}{dated}"],
        "href": source_address(point["source"], point["source_ref"]),
    }


def _row(curve: Curve, p: CurvePoint) -> tuple[str | float | None, ...]:
    return (
        curve.accelerator,
        curve.engine,
        software_words(curve.software, curve.origin),
        load(p),
        rounded(p["e2e_s"]),
        rounded(p["interactivity_tok_s"]),
        rounded(p["tput_per_gpu"]),
        curve.origin,
        p["source"],
        p["date"],
    )
