"""Comparison at one latency: every curve where it exists, and a reason where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from paretoken.frontier.curve import Curve, reach
from paretoken.points.selection import Axis, Selection

_AROUND = (
    "tp",
    "prefill_tp",
    "n_gpus",
    "concurrency",
    "e2e_s",
    "interactivity_tok_s",
    "tput_per_gpu",
    "e2e_basis",
    "source",
    "source_ref",
    "date",
    "speculative",
    "disaggregated",
    "notes",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One accelerator and engine at the latency asked. Throughputs in tok/s/GPU, None where not known."""

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
    around: tuple[dict, ...]


def candidate(curve: Curve, latency_s: float) -> Candidate:
    """The curve's state for who tolerates a latency: beyond its last point, that point's own."""
    latency_s = min(latency_s, curve.range_s[1])
    around = curve.around(latency_s)
    e2e_s, tpot_s = curve.other_axis_at(latency_s)
    total, given, made = (
        _known(curve.at(latency_s, column)[0])
        for column in ("tput_per_gpu", "input_tput_per_gpu", "output_tput_per_gpu")
    )
    return Candidate(
        curve.accelerator,
        curve.engine,
        curve.origin,
        total,
        given,
        made,
        e2e_s,
        1 / tpot_s if tpot_s else None,
        _joined(around["e2e_basis"]),
        " – ".join(dict.fromkeys(tp_label(r) for r in around.iter_rows(named=True))),
        _joined(around["source"]),
        curve.points.height,
        tuple(around.select(_AROUND).iter_rows(named=True)),
    )


def candidates(curves: Sequence[Curve], latency_s: float) -> list[Candidate]:
    """What each curve gives who tolerates the latency, where its accelerator has data, by falling throughput."""
    ends = reach(curves)
    found = [candidate(c, latency_s) for c in curves if c.range_s[0] <= latency_s <= ends[c.accelerator]]
    return sorted(found, key=lambda c: (-c.tput_per_gpu, c.accelerator, c.engine))


def absences(
    points: pl.DataFrame, question: Selection, curves: Iterable[Curve], axis: Axis, asked: Iterable[str]
) -> dict[str, str]:
    """Why each asked accelerator without any curve has none."""
    have = {c.accelerator for c in curves}
    of_model = points.filter(question.of_model())
    return {name: _absent(points, of_model, question, axis, name) for name in asked if name not in have}


def no_data(
    absent: Mapping[str, str], curves: Sequence[Curve], axis: Axis, latency_s: float, asked: Iterable[str]
) -> dict[str, str]:
    """Why each asked accelerator without a candidate at the latency has none: `absences`, or its range."""
    ranges: dict[str, list[tuple[float, float]]] = {}
    for curve in curves:
        ranges.setdefault(curve.accelerator, []).append(curve.range_s)
    have = {c.accelerator for c in candidates(curves, latency_s)}
    return {name: absent.get(name) or _outside(ranges[name], axis) for name in asked if name not in have}


def best_per_accelerator(ranked: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """(the first candidate of each accelerator, the others), both in the order given."""
    seen: set[str] = set()
    first, others = [], []
    for c in ranked:
        (others if c.accelerator in seen else first).append(c)
        seen.add(c.accelerator)
    return first, others


def tp_label(row: Mapping) -> str:
    """`8`, or `P4/D8` for the tensor-parallel sizes of the prefill and decode pools."""
    tp = "?" if row["tp"] is None else str(row["tp"])
    return f"P{row['prefill_tp'] or '?'}/D{tp}" if row["disaggregated"] else tp


def _outside(ranges: list[tuple[float, float]], axis: Axis) -> str:
    spans = "; ".join(_span(low, high, axis) for low, high in sorted(ranges))
    return f"the latency lies outside its data ({spans})"


def _span(low: float, high: float, axis: Axis) -> str:
    return f"E2E {low:.3g}–{high:.3g} s" if axis == "e2e" else f"{1 / high:.3g}–{1 / low:.3g} tok/s/user"


def _absent(points: pl.DataFrame, of_model: pl.DataFrame, question: Selection, axis: Axis, name: str) -> str:
    its = of_model.filter(pl.col("accelerator") == name)
    if its.is_empty():
        return _absent_model(points, question, name)
    served = its.filter(question.of_serving())
    if served.is_empty():
        return "only with disaggregated, multi-node or speculative serving, which this comparison leaves out"
    chosen = served.filter(question.of_choice())
    if chosen.is_empty():
        return "its only points are flagged as suspicious or not of the origin, engine or source asked for"
    return f"its points have no {'end-to-end latency' if axis == 'e2e' else 'TPOT'} together with a throughput per GPU"


def _absent_model(points: pl.DataFrame, question: Selection, name: str) -> str:
    its = points.filter((pl.col("accelerator") == name) & (pl.col("model") == question.model))
    if its.is_empty():
        return f"no point of {question.model} on it"
    have = sorted({f"{p or '?'} {i}/{o}" for p, i, o in its.select("precision", "isl", "osl").unique().iter_rows()})
    more = f" and {len(have) - 4} more" if len(have) > 4 else ""
    asked = f"{question.precision or 'any precision'} {question.isl}/{question.osl}"
    return f"no point at {asked}; it has {', '.join(have[:4])}{more}"


def _joined(column: pl.Series) -> str | None:
    return " + ".join(dict.fromkeys(column.drop_nulls().to_list())) or None


def _known(value: float) -> float | None:
    return None if value != value else float(value)


def to_axis(value: float, axis: Axis) -> float:
    """The latency in seconds of an axis value: E2E in s as it is, interactivity in tok/s/user as TPOT."""
    return value if axis == "e2e" else 1 / value


def from_axis(latency_s: float, axis: Axis) -> float:
    """The inverse of `to_axis`."""
    return latency_s if axis == "e2e" else 1 / latency_s
