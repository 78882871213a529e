"""Comparison at one latency: every curve where it exists, and a reason where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import polars as pl

from paretoken.frontier.curve import Curve, CurvePoint, reach
from paretoken.points.selection import Axis, Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One accelerator and engine at one latency. Throughputs in tok/s/GPU, None where not known.

    `around` holds the one or two Pareto points that the figures rest on.
    """

    accelerator: str
    engine: str
    origin: str
    tput_per_gpu: float
    input_tput_per_gpu: float | None
    output_tput_per_gpu: float | None
    e2e_s: float | None
    interactivity_tok_s: float | None
    e2e_basis: str | None
    tp: str
    source: str
    n_points: int
    around: tuple[CurvePoint, ...]


def candidate(curve: Curve, latency_s: float) -> Candidate:
    """The curve's state for who tolerates a latency: beyond its last point, that point's own."""
    latency_s = min(latency_s, curve.range_s[1])
    around = curve.rows[curve.around(latency_s)]
    e2e_s, tpot_s = curve.other_axis_at(latency_s)
    return Candidate(
        accelerator=curve.accelerator,
        engine=curve.engine,
        origin=curve.origin,
        tput_per_gpu=curve.value_at(latency_s),
        input_tput_per_gpu=_stated(curve.value_at(latency_s, "input_tput_per_gpu")),
        output_tput_per_gpu=_stated(curve.value_at(latency_s, "output_tput_per_gpu")),
        e2e_s=e2e_s,
        interactivity_tok_s=1 / tpot_s if tpot_s else None,
        e2e_basis=_joined(point["e2e_basis"] for point in around),
        tp=" – ".join(dict.fromkeys(map(tp_label, around))),
        source=_joined(point["source"] for point in around) or "",
        n_points=len(curve.rows),
        around=tuple(around),
    )


def candidates(curves: Sequence[Curve], latency_s: float) -> list[Candidate]:
    """What each curve gives who tolerates the latency, where its accelerator has data, by falling throughput."""
    ends = reach(curves)
    there = [candidate(c, latency_s) for c in curves if c.range_s[0] <= latency_s <= ends[c.accelerator]]
    return sorted(there, key=lambda c: (-c.tput_per_gpu, c.accelerator, c.engine))


def absences(
    of_model: pl.DataFrame,
    selection: Selection,
    curves: Iterable[Curve],
    axis: Axis,
    accelerators: Iterable[str],
    cells: Mapping[str, set[str]],
) -> dict[str, str]:
    """Why each of the accelerators that has no curve has none.

    `of_model` are the points of the selection's model, precision and lengths; `cells` the `model_cells` of its model.
    """
    drawn = {c.accelerator for c in curves}
    missing = [name for name in accelerators if name not in drawn]
    if not missing:
        return {}
    served = of_model.filter(selection.of_serving())
    chosen = set(served.filter(selection.of_choice())["accelerator"])
    placed, served_names = set(of_model["accelerator"]), set(served["accelerator"])
    axis_name = "end-to-end latency" if axis == "e2e" else "TPOT"

    def absence(name: str) -> str:
        if name not in placed:
            return _absence_of_model(cells.get(name, set()), selection)
        if name not in served_names:
            return "only with disaggregated, multi-node or speculative serving, which this comparison leaves out"
        if name not in chosen:
            return "its points are flagged as suspicious or excluded by --origin, --engine or source"
        return f"its points lack {axis_name} or throughput per GPU"

    return {name: absence(name) for name in missing}


def no_data(
    absent: Mapping[str, str], curves: Sequence[Curve], axis: Axis, latency_s: float, accelerators: Iterable[str]
) -> dict[str, str]:
    """Why each of the accelerators without a candidate at the latency has none: `absences`, or its range."""
    ranges: dict[str, list[tuple[float, float]]] = {}
    for curve in curves:
        ranges.setdefault(curve.accelerator, []).append(curve.range_s)
    ends, starts = reach(curves), {name: min(low for low, _ in spans) for name, spans in ranges.items()}
    there = {name for name, start in starts.items() if start <= latency_s <= ends[name]}
    return {name: absent.get(name) or _outside(ranges[name], axis) for name in accelerators if name not in there}


def best_per_accelerator(ranked: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """(the first candidate of each accelerator, the others), both in the order given."""
    seen: set[str] = set()
    first: list[Candidate] = []
    others: list[Candidate] = []
    for c in ranked:
        (others if c.accelerator in seen else first).append(c)
        seen.add(c.accelerator)
    return first, others


TP_COLUMNS = ("tp", "prefill_tp", "disaggregated")
"""What `tp_label` reads of a point."""


def tp_label(point: Mapping[str, object]) -> str:
    """`8`, or `P4/D8` for the tensor-parallel sizes of the prefill and decode pools."""
    tp = "?" if point["tp"] is None else str(point["tp"])
    return f"P{point['prefill_tp'] or '?'}/D{tp}" if point["disaggregated"] else tp


def _outside(ranges: list[tuple[float, float]], axis: Axis) -> str:
    spans = "; ".join(_span(low, high, axis) for low, high in sorted(ranges))
    return f"the latency lies outside its data ({spans})"


def _span(low: float, high: float, axis: Axis) -> str:
    return f"E2E {low:.3g}–{high:.3g} s" if axis == "e2e" else f"{1 / high:.3g}–{1 / low:.3g} tok/s/user"


def model_cells(points: pl.DataFrame) -> dict[str, dict[str, set[str]]]:
    """By model and accelerator the precisions and lengths that there are points of, as `fp8 1024/1024`."""
    cells: dict[str, dict[str, set[str]]] = {}
    rows = points.select("model", "accelerator", "precision", "isl", "osl").unique()
    for model, accelerator, precision, isl, osl in rows.iter_rows():
        cells.setdefault(model, {}).setdefault(accelerator, set()).add(f"{precision or '?'} {isl}/{osl}")
    return cells


def _absence_of_model(kinds: set[str], selection: Selection) -> str:
    if not kinds:
        return f"no points of {selection.model}"
    first = sorted(kinds)[:4]
    more = f" and {len(kinds) - 4} more" if len(kinds) > 4 else ""
    wanted = f"{selection.precision or 'any precision'} {selection.isl}/{selection.osl}"
    return f"no points at {wanted}; it has {', '.join(first)}{more}"


def _joined(texts: Iterable[str | None]) -> str | None:
    return " + ".join(dict.fromkeys(text for text in texts if text is not None)) or None


def _stated(value: float) -> float | None:
    return None if isnan(value) else value


def to_axis(value: float, axis: Axis) -> float:
    """The latency in seconds of an axis value: E2E in s as it is, interactivity in tok/s/user as TPOT."""
    return value if axis == "e2e" else 1 / value


def from_axis(latency_s: float, axis: Axis) -> float:
    """The inverse of `to_axis`."""
    return latency_s if axis == "e2e" else 1 / latency_s
