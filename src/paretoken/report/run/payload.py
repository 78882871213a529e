"""The runs as one compact dict of plain values, which the page's own code draws from."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.stats.metrics import sample
from paretoken.report.numbers import column, rounded, shown
from paretoken.report.run import figures
from paretoken.report.run.answer import best_level, seconds
from paretoken.report.run.distributions import GRID, distributions
from paretoken.report.run.figures import Summary, interactivity, interval_per_gpu, load_of, per_gpu, stat
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.tables import verdict
from paretoken.report.run.timeline import server_series, timeline
from paretoken.report.style import Style

FORMAT = 1
_LOOKS = (
    Style("run", "#1f6fd0", "#6fb1ff", "circle", "●"),
    Style("run", "#c25a00", "#ffa759", "diamond", "◆"),
    Style("run", "#0b6b3a", "#37b877", "square", "■"),
    Style("run", "#8a2a83", "#e793df", "triangle-up", "▲"),
    Style("run", "#b3263a", "#ff8091", "triangle-down", "▼"),
    Style("run", "#0b7a85", "#3fd0d8", "star", "★"),
)


def styles(runs: Sequence[MeasuredRun]) -> dict[str, Style]:
    """Each run's colour and mark, by its name."""
    return {run.name: _LOOKS[i % len(_LOOKS)] for i, run in enumerate(runs)}


def payload(runs: Sequence[MeasuredRun]) -> dict:
    """Everything that the interactive part of the page shows. Reads every request of every run."""
    looks = styles(runs)
    return {
        "format": FORMAT,
        "grid": column(GRID.tolist(), 6),
        "runs": [_run(run, looks[run.name]) for run in runs],
    }


def _run(run: MeasuredRun, look: Style) -> dict:
    best = best_level(run.levels) or run.levels[-1]
    return {
        "name": run.name,
        "light": look.light,
        "dark": look.dark,
        "symbol": look.symbol,
        "glyph": look.glyph,
        "best": next(i for i, level in enumerate(run.levels) if level is best),
        "levels": [_level(name, level) for name, level in zip(run.names, run.levels, strict=True)],
    }


def _level(name: str, level: LevelOnDisk) -> dict:
    s = level.summary
    samples = sample(level.requests())
    return {
        "name": name,
        "load": load_of(s),
        "kind": s["load"]["kind"],
        "steady": figures.steady(s),
        "limited": figures.limited(s),
        "failed": bool(figures.failed(s)),
        "e2e": rounded(stat(s, "e2e", "p50"), 5),
        "inter": rounded(interactivity(s), 5),
        **{key: rounded(per_gpu(s, side), 5) for key, side in (("out", "output"), ("total", "total"))},
        **{f"{key}Range": _range(s, side) for key, side in (("out", "output"), ("total", "total"))},
        "about": _about(name, s),
        "latency": distributions(samples, s),
        "time": timeline(samples, s) if len(samples) else None,
        "server": server_series(s),
    }


def _range(s: Summary, side: str) -> list | None:
    found = interval_per_gpu(s, side)
    return None if found is None else column(found, 5)


def _about(name: str, s: Summary) -> list[str]:
    """The lines of a point's hover box; the first is its name."""

    def pair(metric: str) -> str:
        return f"{seconds(stat(s, metric, 'p50'))}, p99 {seconds(stat(s, metric, 'p99'))}"

    return [
        name,
        *(f"{side} {shown(per_gpu(s, side), 4)} tok/s/GPU{_between(s, side)}" for side in ("output", "total")),
        *(f"{metric.upper()} p50 {pair(metric)}" for metric in ("ttft", "tpot", "e2e")),
        f"{shown(interactivity(s))} tok/s/user, {s['window']['requests']:,} requests in the window",
        f"steady: {verdict(s)}; client: {figures.client(s)}",
        "origin: measured",
    ]


def _between(s: Summary, side: str) -> str:
    found = interval_per_gpu(s, side)
    return f" ({shown(found[0], 4)} to {shown(found[1], 4)}, 95 %)" if found else ""
