"""Comparison at one latency limit: every curve that meets it, and a reason where none of an accelerator does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan

import polars as pl

from paretoken.frontier.curve import Curve, CurvePoint
from paretoken.plural import counted
from paretoken.points.schema import of_single_requests
from paretoken.points.selection import Axis, Selection, one_pool
from paretoken.points.unstated import UNKNOWN
from paretoken.significant import significant


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One accelerator and engine at one latency limit. Throughputs in tok/s/GPU, None where not known.

    The figures are interpolated between the one or two Pareto points `around`; `recommended` is the point of them
    that was run and meets the limit. `date` is that of the newest point of the curve, or the period of its medians.
    """

    accelerator: str
    engine: str
    origin: str
    software: str
    date: str | None
    tput_per_gpu: float
    input_tput_per_gpu: float | None
    output_tput_per_gpu: float | None
    e2e_s: float | None
    interactivity_tok_s: float | None
    e2e_basis: str | None
    tp: str
    source: str
    n_points: int
    recommended: CurvePoint
    interpolated: bool
    around: tuple[CurvePoint, ...]


def candidate(curve: Curve, latency_s: float) -> Candidate:
    """The best of the curve at or inside a latency limit that its first point meets."""
    latency_s = min(latency_s, curve.range_s[1])
    around = curve.rows[curve.around(latency_s)]
    recommended = curve.rows[curve.best_point(latency_s)]
    e2e_s, tpot_s = curve.other_axis_at(latency_s)
    return Candidate(
        accelerator=curve.accelerator,
        engine=curve.engine,
        origin=curve.origin,
        software=curve.software,
        date=curve.date,
        tput_per_gpu=curve.value_at(latency_s),
        input_tput_per_gpu=_stated(curve.value_at(latency_s, "input_tput_per_gpu")),
        output_tput_per_gpu=_stated(curve.value_at(latency_s, "output_tput_per_gpu")),
        e2e_s=e2e_s,
        interactivity_tok_s=1 / tpot_s if tpot_s else None,
        e2e_basis=_joined(point["e2e_basis"] for point in around),
        tp=tp_label(recommended),
        source=_joined(point["source"] for point in around) or "",
        n_points=len(curve.rows),
        recommended=recommended,
        interpolated=len(around) > 1,
        around=tuple(around),
    )


def candidates(curves: Sequence[Curve], latency_s: float) -> list[Candidate]:
    """The best of each curve at or inside the latency limit, by falling throughput."""
    within = [candidate(c, latency_s) for c in curves if c.range_s[0] <= latency_s]
    return sorted(within, key=lambda c: (-c.tput_per_gpu, c.accelerator, c.engine))


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
    of_nodes = of_model.filter(replace(selection, speculative="any").of_serving())
    undrafted = set(of_nodes.filter(pl.col("speculation") == UNKNOWN)["accelerator"])
    unpooled = set(of_model.filter(one_pool().is_null())["accelerator"])
    placed, served_names = set(of_model["accelerator"]), set(served["accelerator"])
    axis_name = "end-to-end latency" if axis == "e2e" else "TPOT"

    flagged = left_out(of_model, selection)

    def absence(name: str) -> str:
        if name not in placed:
            return _absence_of_model(cells.get(name, set()), selection)
        if name not in served_names and name in undrafted:
            return "its points do not say whether they use speculative decoding, so plain serving leaves them out"
        if name not in served_names and name in unpooled:
            return "its points do not say whether prefill and decode share GPUs, so plain serving leaves them out"
        if name not in served_names:
            return "only with disaggregated, multi-node or speculative serving, which this comparison leaves out"
        if name not in chosen and name in flagged:
            return f"{flagged[name]}; add --include-suspicious"
        if name not in chosen:
            return "its points are excluded by --origin, --engine or source"
        if selection.limits:
            return f"none of its points states and meets {', '.join(limit.text for limit in selection.limits)}"
        return f"its points lack {axis_name} or throughput per GPU"

    return {name: absence(name) for name in missing}


def left_out(of_model: pl.DataFrame, selection: Selection) -> dict[str, str]:
    """By accelerator the flagged points that a selection leaves out, as `2 points flagged (errors)`."""
    if selection.suspicious:
        return {}
    others = replace(selection, suspicious=True)
    rows = of_model.filter(others.of_serving() & others.of_choice() & pl.col("suspicious").is_not_null())
    by_name = rows.group_by("accelerator", maintain_order=True).agg(n=pl.len(), rules=pl.col("suspicious").unique())
    return {name: f"{counted(n, 'point')} flagged ({', '.join(sorted(rules))})" for name, n, rules in by_name.rows()}


def no_data(
    absent: Mapping[str, str], curves: Sequence[Curve], axis: Axis, latency_s: float, accelerators: Iterable[str]
) -> dict[str, str]:
    """Why each of the accelerators without a candidate at the limit has none: `absences`, or its fastest point."""
    fastest: dict[str, float] = {}
    for curve in curves:
        fastest[curve.accelerator] = min(fastest.get(curve.accelerator, inf), curve.range_s[0])
    within = {name for name, start in fastest.items() if start <= latency_s}
    return {name: absent.get(name) or _too_slow(fastest[name], axis) for name in accelerators if name not in within}


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
    """`8`, or `P4/D8` for the tensor-parallel sizes of the prefill and decode pools; `?` where not stated."""
    tp = "?" if point["tp"] is None else str(point["tp"])
    return f"P{point['prefill_tp'] or '?'}/D{tp}" if point["disaggregated"] else tp


def size_title(point: Mapping[str, object]) -> str:
    """`TP8`, or `P4/D8`."""
    return tp_label(point) if point["disaggregated"] else f"TP{tp_label(point)}"


def limit_text(latency_s: float, axis: Axis) -> str:
    """A limit, or what a point gives, in the axis' own unit."""
    value = number_text(from_axis(latency_s, axis))
    return f"{value} s end to end" if axis == "e2e" else f"{value} tok/s/user"


def within_text(latency_s: float, axis: Axis) -> str:
    """`at most 20 s end to end`, `at least 40 tok/s/user`."""
    return f"{'at most' if axis == 'e2e' else 'at least'} {limit_text(latency_s, axis)}"


def number_text(value: float) -> str:
    """Four significant digits, all digits from a thousand on."""
    return significant(value)


def _too_slow(fastest_s: float, axis: Axis) -> str:
    return f"none of its points meets the limit; the fastest gives {limit_text(fastest_s, axis)}"


def model_cells(points: pl.DataFrame) -> dict[str, dict[str, set[str]]]:
    """By model and accelerator the precisions and lengths that there are points of, as `fp8 1024/1024`."""
    cells: dict[str, dict[str, set[str]]] = {}
    rows = points.filter(of_single_requests()).select("model", "accelerator", "precision", "isl", "osl").unique()
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
