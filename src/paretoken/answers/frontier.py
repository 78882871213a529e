"""`frontier`: the Pareto points of every accelerator and engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import ClassVar

from paretoken.answers.latency import selection
from paretoken.answers.plot import PlotAxes, over_latency
from paretoken.answers.points import AxisQuestion, Data, PointsQuestion
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import NoData
from paretoken.frontier.compare import tp_label
from paretoken.frontier.curve import Curve
from paretoken.plural import counted
from paretoken.points.selection import Axis
from paretoken.significant import significant


@dataclass(frozen=True, kw_only=True)
class FrontierQuestion(AxisQuestion):
    """Which points no other point beats in both latency and throughput?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierPoint:
    """One Pareto point. Throughputs in tok/s/GPU; None where not known. `receipt` is the SHA-256 of the run's receipt
    where its figures were verified on this machine.

    `ranked` is false for points of a newer release that holds too few loads, or no stated throughput, for a curve.
    """

    axis: Axis
    accelerator: str
    engine: str
    engine_version: str | None
    software: str
    origin: str
    tp: str
    ep: int | None
    n_gpus: int | None
    concurrency: float | None
    e2e_s: float | None
    e2e_basis: str | None
    interactivity_tok_s: float | None
    central_ttft_s: float | None
    central_tpot_s: float | None
    tput_per_gpu: float
    tput_basis: str | None
    input_tput_per_gpu: float | None
    output_tput_per_gpu: float | None
    speculative: str | None
    speculation: str
    disaggregated: bool | None
    source: str
    source_ref: str | None
    date: str | None
    licence: str | None
    notes: str | None
    receipt: str | None
    ranked: bool


@dataclass(frozen=True, slots=True)
class FrontierAnswer(TypedAnswer):
    """The Pareto points, curve by curve, by rising latency; then those of newer releases, not ranked.

    `left_out` says of each accelerator how many of its points are flagged.
    """

    TABLE: ClassVar[str] = "points"
    points: tuple[FrontierPoint, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """`Most tokens per GPU: 9,000 tok/s/GPU on B200 with trtllm; 12 curves`, of the ranked points."""
        ranked = [p for p in self.points if p.ranked]
        if not ranked:
            return "No point is ranked"
        most = max(ranked, key=lambda p: p.tput_per_gpu)
        curves = len({(p.accelerator, p.engine, p.origin) for p in ranked})
        best = f"{significant(most.tput_per_gpu)} tok/s/GPU on {most.accelerator} with {most.engine}"
        return f"Most tokens per GPU: {best}; {counted(curves, 'curve')}"

    def plot_axes(self) -> PlotAxes | None:
        if not self.points:
            return None
        return over_latency(
            self.points[0].axis, "tput_per_gpu_tok_s", "Throughput (tok/s/GPU)", "{accelerator} {engine} {software}"
        )


@takes(FrontierQuestion)
def frontiers(question: FrontierQuestion, data: Data | None = None) -> FrontierAnswer:
    """The Pareto points of every accelerator and engine; NoData if none can be placed on the axis."""
    data = data or Data.of(question)
    ranked = _points(frontier_curves(question, question.axis, data), ranked=True)
    chosen = selection(question, data)
    newer = _points(data.newer_curves(chosen, question.axis), ranked=False)
    return FrontierAnswer((*ranked, *newer), data.left_out(chosen))


def frontier_curves(question: PointsQuestion, axis: Axis, data: Data) -> tuple[Curve, ...]:
    """The curves of a question on an axis; NoData if there is none."""
    chosen = selection(question, data)
    curves = data.curves(chosen, axis)
    if not curves:
        with_points = tuple(data.of_model(chosen)["accelerator"].unique().sort())
        absences = data.absences(chosen, axis, chosen.accelerators or with_points)
        reasons = "; ".join(f"{name}: {reason}" for name, reason in absences.items())
        raise NoData(f"no frontier for {chosen.model} {chosen.precision or ''} {chosen.isl}/{chosen.osl}: {reasons}")
    return curves


def _points(curves: Iterable[Curve], *, ranked: bool) -> Iterator[FrontierPoint]:
    for curve in curves:
        for point in curve.records:
            stated = {name: point[name] for name in _STATED}
            yield FrontierPoint(axis=curve.axis, tp=tp_label(point), ranked=ranked, **stated)


_STATED = tuple(field.name for field in fields(FrontierPoint) if field.name not in ("axis", "tp", "ranked"))
