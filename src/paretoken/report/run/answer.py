"""The result of a run in words: its best throughput, the speed of one user, the load within its SLOs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paretoken.bench.metadata import ServerIdentity
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.sweep_summary import SearchAnswer, load_found
from paretoken.emulated import EMULATED
from paretoken.plural import counted
from paretoken.report.numbers import shown
from paretoken.report.run.figures import half_width, interactivity, per_gpu, sound, statistic
from paretoken.report.run.reading import MeasuredRun, failed_gate
from paretoken.slo import MEASURED, parse_slos

NOT_STATED = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeadline:
    """One run in short."""

    name: str
    model: str
    engine: str
    where: str
    date: str
    best: str
    one_user: str
    within: str | None
    sentences: tuple[str, ...]


def headline(run: MeasuredRun) -> RunHeadline:
    """The result of a run; the figures are those of the steady window."""
    top, first = best_level(run.levels), lowest_level(run.levels)
    gate, within = failed_gate(run), _within_slos(run)
    sentences = [_best(top), _first(first), *([within] if within else [])]
    if run.emulated:
        sentences[0] = f"Emulated, not measured. {sentences[0]}"
    if gate:
        sentences.insert(0, f"Failed: the server returned wrong tokens ({gate}), so its throughput does not count.")
    return RunHeadline(
        name=run.name,
        model=model_of(run),
        engine=engine_of(run),
        where=where_of(run),
        date=str(run.origin.started or run.columns.get("date") or "date unknown")[:10],
        best="failed its accuracy gate" if gate else _short(top),
        one_user=_speed(first.summary) if first else "–",
        within=within,
        sentences=tuple(sentences),
    )


def _short(top: LevelOnDisk | None) -> str:
    if top is None:
        return "–"
    return f"{shown(per_gpu(top.summary, 'output'), 4)} at {top.summary.load.name}{_flaw(top.summary)}"


def model_of(run: MeasuredRun) -> str:
    """The model as served; its catalog name where that is all there is."""
    return str(run.columns.get("model_variant") or run.columns.get("model") or "unknown model")


def engine_of(run: MeasuredRun) -> str:
    """`vllm 0.11.0`, from the columns or else from the first server."""
    server = next(iter(run.origin.servers), ServerIdentity())
    engine = run.columns.get("engine") or server.dialect or "unknown engine"
    version = run.columns.get("engine_version") or server.version
    return f"{engine} {version}" if version else str(engine)


def where_of(run: MeasuredRun) -> str:
    """`8 × H200`, or `1 GPU` where the accelerator is unknown."""
    n, accelerator = run.levels[0].summary.n_gpus, run.columns.get("accelerator") or NOT_STATED
    if accelerator != NOT_STATED:
        return f"{n} × {accelerator}"
    return "1 accelerator, kind not stated" if n == 1 else f"{n} accelerators, kind not stated"


def lengths_of(run: MeasuredRun) -> str:
    """`ISL 1024, OSL 1024`, nominal; the trace's name where lengths follow it."""
    if run.config.get("trace"):
        return "lengths of a trace"
    isl, osl = run.columns.get("isl"), run.columns.get("osl")
    return f"ISL {isl or '?'}, OSL {osl or '?'}"


def title_of(runs: Sequence[MeasuredRun]) -> str:
    """The page's title."""
    titles = list(dict.fromkeys(f"{model_of(r)} on {engine_of(r)}{_if_emulated(r)}" for r in runs))
    if len(titles) == 1:
        return titles[0] if len(runs) == 1 else f"{titles[0]}: {len(runs)} runs"
    return f"{len(runs)} {origins_of(runs)} runs"


def _if_emulated(run: MeasuredRun) -> str:
    """` (emulated)`, unless the title says so already."""
    return " (emulated)" if run.emulated and EMULATED not in engine_of(run) else ""


def origins_of(runs: Sequence[MeasuredRun]) -> str:
    """`measured`, `emulated`, or both."""
    return " and ".join(sorted({EMULATED if r.emulated else "measured" for r in runs}, reverse=True))


def best_level(levels: Sequence[LevelOnDisk]) -> LevelOnDisk | None:
    """The highest output throughput among sound levels; if there are none, among those that did not fail."""
    conditions: tuple[Callable[[LevelSummary], bool], ...] = (sound, lambda s: not s.failed)
    for good in conditions:
        rates = {i: per_gpu(x.summary, "output") for i, x in enumerate(levels) if good(x.summary)}
        numbers = {i: rate for i, rate in rates.items() if rate is not None}
        if numbers:
            return levels[max(numbers, key=lambda i: numbers[i])]
    return None


def lowest_level(levels: Sequence[LevelOnDisk]) -> LevelOnDisk | None:
    """The level with the least load that did not fail."""
    return min((x for x in levels if not x.summary.failed), key=lambda x: x.summary.load.size, default=None)


def _flaw(summary: LevelSummary) -> str:
    flaws = [] if summary.window.steady else ["no steady state"]
    flaws += ["client-limited"] if summary.client_limited else []
    return f" ({', '.join(flaws)})" if flaws else ""


def _best(level: LevelOnDisk | None) -> str:
    if level is None:
        return "No level has figures: every one failed."
    s = level.summary
    width = half_width(s)
    margin = f", ±{width * 100:.2g}\u00a0%" if width else ""
    return (
        f"Best throughput: {shown(per_gpu(s, 'output'), 4)} output tok/s per GPU ({shown(per_gpu(s, 'total'), 4)} total"
        f"{margin}) at {s.load.name}{_flaw(s)}, where the median request takes {seconds(statistic(s, 'e2e', 'p50'))} "
        f"and streams at {shown(interactivity(s))} tok/s."
    )


def _first(level: LevelOnDisk | None) -> str:
    if level is None:
        return ""
    s = level.summary
    alone = s.load.kind == "closed" and s.load.users == 1
    lead = "One user alone" if alone else f"At the lowest load measured, {s.load.name}, a user"
    return f"{lead} sees {_speed(s)}{_flaw(s)}."


def _speed(s: LevelSummary) -> str:
    return f"{shown(interactivity(s))} tok/s, first token after {seconds(statistic(s, 'ttft', 'p50'))}"


def _within_slos(run: MeasuredRun) -> str | None:
    """The answer of the search, or which of the levels met the SLOs."""
    if run.answer and run.answer.get("kind") in ("knee", "slo"):
        return _of_search(run.answer)
    judged = [s for s in run.summaries if s.goodput]
    if not judged:
        return None
    slos = ", ".join(o.slo.words for o in judged[0].goodput.objectives) if judged[0].goodput else ""
    met = max((s for s in judged if s.verdict == "met"), key=lambda s: s.load.size, default=None)
    unsure = [s for s in judged if s.verdict in ("unsure", "unseen") and (met is None or s.load.size > met.load.size)]
    why = "; ".join(f"{s.load.name}: {s.why_unseen or ', '.join(s.unsettled)}" for s in unsure)
    if met:
        return f"Highest load measured within {slos}: {met.load.name}{f' ({why})' if why else ''}."
    return f"Unknown which load stays within {slos}: {why}." if why else f"No measured level stays within {slos}."


def _of_search(answer: SearchAnswer) -> str:
    load, steps = load_found(answer), answer.get("steps", 0)
    if answer.get("kind") == "knee":
        return f"Beyond {load or 'no load'} latency grows faster than throughput (knee, {counted(steps, 'step')})."
    limits = ", ".join(slo.words for slo in parse_slos(str(answer.get("slo") or ""), MEASURED))
    if load is None:
        if answer.get("unknown"):
            return f"Unknown which load stays within {limits}: {'; '.join(answer.get('doubts', ()))}."
        return f"No measured load stays within {limits}."
    fails_at = answer.get("fails_at")
    above = f"; {fails_at:,.4g} is too many" if fails_at else ""
    return f"Highest load within {limits}: {load} ({counted(steps, 'step')}{above})."


def seconds(value: float | None) -> str:
    """`210 ms` or `2.31 s`."""
    if value is None:
        return "–"
    return f"{shown(value)} s" if value >= 1 else f"{shown(value * 1000)} ms"
