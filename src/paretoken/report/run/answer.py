"""What a run found, in words: its best throughput, the speed of one user, the load within its objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretoken.bench.plan import found_name
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.report.numbers import shown
from paretoken.report.run.figures import (
    Summary,
    failed,
    half_width,
    interactivity,
    level_name,
    limited,
    load_of,
    per_gpu,
    sound,
    stat,
    steady,
)
from paretoken.report.run.reading import MeasuredRun, failed_gate

NOT_ASKED = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
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


def found(run: MeasuredRun) -> Found:
    """The answer of a run; the figures are those of the steady window."""
    top, first = best_level(run.levels), lowest_level(run.levels)
    gate = failed_gate(run)
    sentences = [_best(top), _first(first), *filter(None, [_searched(run)])]
    if gate:
        sentences.insert(0, f"Failed: the server did not give the right tokens ({gate}), so no throughput counts.")
    return Found(
        run.name,
        model_of(run),
        engine_of(run),
        where_of(run),
        str(run.run.get("started") or run.columns.get("date") or "date unknown")[:10],
        "failed its accuracy gate" if gate else _short(top),
        _speed(first.summary) if first else "–",
        _searched(run),
        tuple(sentences),
    )


def _short(top: LevelOnDisk | None) -> str:
    if top is None:
        return "–"
    return f"{shown(per_gpu(top.summary, 'output'), 4)} at {level_name(top.summary)}{_flaw(top.summary)}"


def model_of(run: MeasuredRun) -> str:
    """The model as served; its catalog name where that is all there is."""
    return str(run.columns.get("model_variant") or run.columns.get("model") or "unknown model")


def engine_of(run: MeasuredRun) -> str:
    """`vllm 0.11.0`, of the columns or of what the first server said."""
    server = next(iter(run.run.get("servers") or []), {})
    engine = run.columns.get("engine") or server.get("dialect") or "unknown engine"
    version = run.columns.get("engine_version") or server.get("version")
    return f"{engine} {version}" if version else str(engine)


def where_of(run: MeasuredRun) -> str:
    """`8 × H200`, or `1 GPU` where the accelerator was not said."""
    n, accelerator = run.levels[0].summary["n_gpus"], run.columns.get("accelerator") or NOT_ASKED
    if accelerator != NOT_ASKED:
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
    titles = list(dict.fromkeys(f"{model_of(r)} on {engine_of(r)}" for r in runs))
    if len(titles) == 1:
        return titles[0] if len(runs) == 1 else f"{titles[0]}: {len(runs)} runs"
    return f"{len(runs)} measured runs"


def best_level(levels: Sequence[LevelOnDisk]) -> LevelOnDisk | None:
    """The highest output throughput among sound levels; if there are none, among those that did not fail."""
    for good in (sound, lambda s: not failed(s)):
        some = [x for x in levels if good(x.summary) and per_gpu(x.summary, "output") is not None]
        if some:
            return max(some, key=lambda x: per_gpu(x.summary, "output"))
    return None


def lowest_level(levels: Sequence[LevelOnDisk]) -> LevelOnDisk | None:
    """The level with the least load that did not fail."""
    some = [x for x in levels if not failed(x.summary)]
    return min(some, key=lambda x: load_of(x.summary)) if some else None


def _flaw(summary: Summary) -> str:
    flaws = [] if steady(summary) else ["no steady state"]
    flaws += ["client limited"] if limited(summary) else []
    return f" ({', '.join(flaws)})" if flaws else ""


def _best(level: LevelOnDisk | None) -> str:
    if level is None:
        return "No level gave a figure: every one failed."
    s = level.summary
    width = half_width(s)
    sure = f", ±{width * 100:.2g}\u00a0%" if width else ""
    return (
        f"Best throughput: {shown(per_gpu(s, 'output'), 4)} output tok/s per GPU ({shown(per_gpu(s, 'total'), 4)} total"
        f"{sure}) at {level_name(s)}{_flaw(s)}, where a request takes {seconds(stat(s, 'e2e', 'p50'))} at the median "
        f"and its tokens come at {shown(interactivity(s))} tok/s."
    )


def _first(level: LevelOnDisk | None) -> str:
    if level is None:
        return ""
    s = level.summary
    alone = s["load"]["kind"] == "closed" and s["load"]["users"] == 1
    lead = "One user alone" if alone else f"At the lowest load measured, {level_name(s)}, a user"
    return f"{lead} sees {_speed(s)}{_flaw(s)}."


def _speed(s: Summary) -> str:
    return f"{shown(interactivity(s))} tok/s, first token after {seconds(stat(s, 'ttft', 'p50'))}"


def _searched(run: MeasuredRun) -> str | None:
    """What the search answered, or which of the levels met the objectives."""
    answer = run.answer
    if answer and answer.get("kind") == "knee":
        where = found_name(answer) or "no load"
        return f"Past {where} latency grows faster than throughput (knee, {answer['steps']} steps)."
    if answer and answer.get("kind") == "slo":
        if (where := found_name(answer)) is None:
            return f"No load measured stays within {answer['slo']}."
        above = f"; {answer['fails_at']:,.4g} is too many" if answer.get("fails_at") else ""
        return f"Highest load within {answer['slo']}: {where} ({answer['steps']} steps{above})."
    judged = [x.summary for x in run.levels if x.summary.get("goodput")]
    if not judged:
        return None
    met = [s for s in judged if s["goodput"]["met"] and not failed(s)]
    goals = ", ".join(o["slo"]["text"] for o in judged[0]["goodput"]["objectives"])
    if not met:
        return f"No level measured stays within {goals}."
    return f"Highest load measured within {goals}: {level_name(max(met, key=load_of))}."


def seconds(value: float | None) -> str:
    """`210 ms` or `2.31 s`."""
    if value is None:
        return "–"
    return f"{shown(value)} s" if value >= 1 else f"{shown(value * 1000)} ms"
