"""The runs as one compact dict of plain values, which the page's own code draws from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.metrics import sample
from paretoken.plural import counted
from paretoken.report.numbers import column, rounded, shown
from paretoken.report.run.answer import best_level, engine_of, seconds
from paretoken.report.run.differences import questions
from paretoken.report.run.distributions import GRID, Column, distributions
from paretoken.report.run.figures import Metric, Side, client, interactivity, interval_per_gpu, per_gpu, statistic
from paretoken.report.run.published import PublishedBeside
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.sessions import sessions
from paretoken.report.run.tables import verdict
from paretoken.report.run.telemetry import telemetry
from paretoken.report.run.timeline import server_series, timeline
from paretoken.report.style import Style

FORMAT = 2
_LOOKS = (
    Style("run", "#1f6fd0", "#6fb1ff", "circle", "●"),
    Style("run", "#c25a00", "#ffa759", "diamond", "◆"),
    Style("run", "#0b6b3a", "#37b877", "square", "■"),
    Style("run", "#8a2a83", "#e793df", "triangle", "▲"),
    Style("run", "#b3263a", "#ff8091", "triangle-down", "▼"),
    Style("run", "#0b7a85", "#3fd0d8", "star", "★"),
)


def styles(runs: Sequence[MeasuredRun]) -> dict[str, Style]:
    """Each run's colour and mark, by its name; a cross for an emulated one."""
    looks = {run.name: _LOOKS[i % len(_LOOKS)] for i, run in enumerate(runs)}
    marks = {run.name: {"shape": "cross", "glyph": "✕"} if run.emulated else {} for run in runs}
    return {name: replace(look, **marks[name]) for name, look in looks.items()}


def payload(runs: Sequence[MeasuredRun], published: Sequence[PublishedBeside]) -> dict[str, object]:
    """Everything that the interactive part of the page shows. Reads every request of every run."""
    looks = styles(runs)
    return {
        "format": FORMAT,
        "grid": column(GRID.tolist(), 6),
        "runs": [_run(run, looks[run.name]) for run in runs],
        "questions": [
            {"title": title, "runs": places, "published": _published(published, places)}
            for title, places in questions(runs).items()
        ],
    }


def _published(published: Sequence[PublishedBeside], places: Sequence[int]) -> list[dict[str, object]]:
    """The published curves of some runs, each once."""
    curves = {(c.name, c.source): c for place in places for c in published[place].curves}
    return [asdict(curve) for curve in curves.values()]


def _run(run: MeasuredRun, look: Style) -> dict[str, object]:
    best = best_level(run.levels) or run.levels[-1]
    return {
        "name": run.name,
        "source": _source(run),
        "light": look.light,
        "dark": look.dark,
        "shape": look.shape,
        "glyph": look.glyph,
        "best": next(i for i, level in enumerate(run.levels) if level is best),
        "levels": [_level(name, level) for name, level in zip(run.names, run.levels, strict=True)],
    }


def _source(run: MeasuredRun) -> str:
    """Whose the figures are: `run before, measured with paretoken 0.2.0 on vllm 0.11.0, 2026-11-20`."""
    tool = run.levels[0].summary.tool
    how = "emulated" if run.emulated else "measured"
    date = str(run.origin.started or run.columns.get("date") or "date not stated")[:10]
    return f"run {run.name}, {how} with {f'{tool.name} {tool.version}'.strip()} on {engine_of(run)}, {date}"


def _level(name: str, level: LevelOnDisk) -> dict[str, object]:
    s = level.summary
    requests = level.requests().sort("due_ns", maintain_order=True)
    samples = sample(requests)
    sides: tuple[tuple[str, Side], ...] = (("out", "output"), ("total", "total"))
    return {
        "name": name,
        "load": s.load.size,
        "kind": s.load.kind,
        "steady": s.window.steady,
        "limited": s.client_limited,
        "failed": bool(s.failed),
        "e2e": rounded(s.latency.e2e_s.p50, 5),
        "inter": rounded(interactivity(s), 5),
        **{key: rounded(per_gpu(s, side), 5) for key, side in sides},
        **{f"{key}Range": _range(s, side) for key, side in sides},
        "about": _hover_lines(name, s),
        "latency": distributions(samples, s),
        "time": timeline(samples, s.window) if len(samples) else None,
        "server": server_series(s),
        "sessions": sessions(requests, samples, s, level.traced()) if len(samples) else None,
        "telemetry": telemetry(level.folder, s),
    }


def _range(s: LevelSummary, side: Side) -> Column | None:
    interval = interval_per_gpu(s, side)
    return None if interval is None else column(interval, 5)


def _hover_lines(name: str, s: LevelSummary) -> list[str]:
    """The lines of a point's hover box; the first is its name."""

    def pair(metric: Metric) -> str:
        return f"{seconds(statistic(s, metric, 'p50'))}, p99 {seconds(statistic(s, metric, 'p99'))}"

    sides: tuple[Side, ...] = ("output", "total")
    metrics: tuple[Metric, ...] = ("ttft", "tpot", "e2e")
    return [
        name,
        *(f"{side} {shown(per_gpu(s, side), 4)} tok/s/GPU{_between(s, side)}" for side in sides),
        *(f"{metric.upper()} p50 {pair(metric)}" for metric in metrics),
        f"{shown(interactivity(s))} tok/s/user, {counted(s.window.requests, 'request')} in the window",
        f"steady: {verdict(s)}; client: {client(s)}",
        f"origin: {s.origin}",
    ]


def _between(s: LevelSummary, side: Side) -> str:
    interval = interval_per_gpu(s, side)
    return f" ({shown(interval[0], 4)} to {shown(interval[1], 4)}, 95 %)" if interval else ""
