"""Published points of the model, lengths and accelerator of a run, and the command that compares it with all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10
from shlex import join

from paretoken.answers.frontier import FrontierPoint, FrontierQuestion, frontiers
from paretoken.catalog.loader import load_catalog
from paretoken.errors import ParetokenError
from paretoken.plural import counted
from paretoken.points.selection import Axis
from paretoken.report.numbers import rounded, shown
from paretoken.report.run.answer import best_level
from paretoken.report.run.figures import statistic
from paretoken.report.run.reading import MeasuredRun

AXES: dict[str, Axis] = {"e2e": "e2e", "inter": "interactivity"}
"""The page's axes, and those of operating points."""
LABELS = {"model": "--catalog-model", "precision": "--precision", "accelerator": "--accelerator"}
"""What a run must state for a comparison, and the option of bench that states it."""


@dataclass(frozen=True, slots=True)
class PublishedCurve:
    """The Pareto points of one engine and software state, by the page's axes; `source` names whose they are."""

    name: str
    label: str
    source: str
    points: dict[str, list[dict[str, object]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishedBeside:
    """The published curves of a run's deployment, the command that compares it, and what is missing, in a sentence."""

    curves: tuple[PublishedCurve, ...] = ()
    command: str = ""
    absent: str = ""


def published_beside(run: MeasuredRun) -> PublishedBeside:
    """What is published of the model, precision, lengths and accelerator of a run; plain serving as the run's own."""
    lacking = [option for column, option in LABELS.items() if run.columns.get(column) in (None, "", "unknown")]
    if lacking:
        return PublishedBeside(absent=f"To compare it with published points, measure with {' and '.join(lacking)}.")
    catalog = load_catalog()
    columns = run.columns
    for name, registry in (("model", catalog.models), ("accelerator", catalog.accelerators)):
        if str(columns[name]) not in registry:
            return PublishedBeside(absent=f"The catalog has no {name} {columns[name]}, so nothing is published of it.")
    command = _command(run)
    try:
        by_axis = {axis: frontiers(_question(run, AXES[axis])).points for axis in AXES}
    except ParetokenError as e:
        return PublishedBeside(
            command=command, absent=f"No published points to draw behind the run: {e.on_command_line}"
        )
    return PublishedBeside(curves=tuple(_curves(by_axis)), command=command)


def _question(run: MeasuredRun, axis: Axis) -> FrontierQuestion:
    c = run.columns
    return FrontierQuestion(
        model=str(c["model"]),
        precision=str(c["precision"]),
        isl=_tokens(run, "isl"),
        osl=_tokens(run, "osl"),
        accelerators=(str(c["accelerator"]),),
        origins=("published",),
        axis=axis,
        serving="any" if c.get("disaggregated") or c.get("multinode") else "single-node",
        speculative="any" if c.get("speculative") not in (None, "none") else "none",
    )


def _tokens(run: MeasuredRun, name: str) -> int | None:
    value = run.columns.get(name)
    return value if isinstance(value, int) else None


def _command(run: MeasuredRun) -> str:
    """`paretoken compare … --points RUN`, at the median E2E latency of the best level."""
    c = run.columns
    best = best_level(run.levels)
    e2e = statistic(best.summary, "e2e", "p50") if best else None
    words = ["paretoken", "compare", "--model", str(c["model"]), "--precision", str(c["precision"])]
    words += [part for name in ("isl", "osl") if _tokens(run, name) for part in (f"--{name}", str(c[name]))]
    words += ["--e2e", _rounded_up(e2e) if e2e else "10"]
    question = _question(run, "e2e")
    if question.serving == "any":
        words += ["--serving", "any"]
    if question.speculative == "any":
        words += ["--speculative", "any"]
    return join([*words, "--points", str(run.levels[0].folder.parent.parent)])


def _rounded_up(seconds: float) -> str:
    """Two digits, not below the value, so that the level itself meets the limit."""
    power = 10.0 ** (floor(log10(seconds)) - 1)
    return f"{ceil(seconds / power - 1e-9) * power:.10g}"


def _curves(by_axis: Mapping[str, Sequence[FrontierPoint]]) -> list[PublishedCurve]:
    curves: dict[tuple[str, str], PublishedCurve] = {}
    for axis, points in by_axis.items():
        for p in points:
            label = f"{p.accelerator} {p.engine}, published"
            name, source = f"{label}, {p.software}", p.source
            curve = curves.setdefault((name, source), PublishedCurve(name, label, source))
            curve.points.setdefault(axis, []).append(_point(p))
    return list(curves.values())


def _point(p: FrontierPoint) -> dict[str, object]:
    """The point at its coordinates on both axes and sides, and what it says of itself."""
    users = f", {counted(int(p.concurrency), 'user')}" if p.concurrency else ""
    version = p.engine_version or "version not stated"
    about = [
        f"{p.accelerator} {p.engine}, published",
        f"{shown(p.tput_per_gpu, 4)} tok/s/GPU, input and output",
        f"TP{p.tp}{users}; {version}",
        f"E2E {shown(p.e2e_s)} s ({p.e2e_basis or 'basis not stated'}), {shown(p.interactivity_tok_s)} tok/s/user",
        f"{p.source}{f', {p.source_ref}' if p.source_ref else ''}; {p.date or 'date not stated'}",
        *([p.licence] if p.licence else []),
    ]
    return {
        "e2e": rounded(p.e2e_s, 5),
        "inter": rounded(p.interactivity_tok_s, 5),
        "out": rounded(p.output_tput_per_gpu, 5),
        "total": rounded(p.tput_per_gpu, 5),
        "about": about,
    }
