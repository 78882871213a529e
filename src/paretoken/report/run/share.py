"""A run as a Markdown table to paste into an issue: what was run, its levels, how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from paretoken import __version__
from paretoken.bench.documents import to_json
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.foreign_text import markdown_text, visible
from paretoken.plural import counted
from paretoken.report.numbers import shown
from paretoken.report.run.answer import engine_of, lengths_of, model_of, where_of
from paretoken.report.run.figures import client, half_width, per_gpu, statistic, statistic_ms
from paretoken.report.run.proof import worst_line
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.tables import percent_or_dash, repeats_grid, verdict
from paretoken.report.run.warnings import RARE_QUANTILES, warnings_of

MOST_LEVELS = 36
MOST_WARNINGS = 12
MOST_REPEATS = 12
HEADS = (
    "Load",
    "req/s",
    "output tok/s",
    "±95 %",
    "tok/s/GPU output",
    "total",
    "TTFT p50 ms",
    "TTFT p99 ms",
    "TPOT p50 ms",
    "TPOT p99 ms",
    "ITL p99 ms",
    "E2E p50 s",
    "errors",
    "steady",
    "client",
)
PER_GPU = ("tok/s/GPU output", "total")
"""Columns of a deployment of several GPUs."""


def share(run: MeasuredRun) -> str:
    """Fewer than 60 lines of Markdown that ends in a newline; no host, address or command is in it."""
    rows = list(zip(run.names, run.summaries, strict=True))
    again = _repeats([s for _, s in rows])
    kept = _spread(rows, MOST_LEVELS - len(again))
    heads = [h for h in HEADS if h not in PER_GPU or run.summaries[0].n_gpus > 1]
    lines = [_head(run), "", _line(heads), _line(["--:"] * len(heads))]
    lines += [_line(cells[h] for h in heads) for cells in (_cells(name, s) for name, s in kept)]
    if len(kept) < len(rows):
        lines += ["", f"{len(kept)} of {counted(len(rows), 'level')}, evenly picked in the order measured."]
    lines += _warnings(run)
    lines += again
    lines += ["", _foot([s for _, s in rows])]
    return "\n".join(lines) + "\n"


def share_json(run: MeasuredRun) -> dict[str, object]:
    """The same for programs: the levels with all their figures; no host, address or command, nor the server's words."""
    kept = ("load", "n_gpus", "window", "throughput", "latency", "goodput", "lengths", "failed")
    levels = [
        {name: to_json(getattr(s, name)) for name in kept}
        | {"errors": {k: v for k, v in asdict(s.errors).items() if k != "detail"}, "client": client(s)}
        | {"warnings": [w.code for w in s.warnings]}
        for s in run.summaries
    ]
    return {
        "model": model_of(run),
        "engine": engine_of(run),
        "where": where_of(run),
        "lengths": lengths_of(run),
        "origin": run.summaries[0].origin,
        "date": run.columns.get("date"),
        "levels": levels,
        "tool": to_json(run.summaries[0].tool),
    }


def code(text: str) -> str:
    """A name in a code span: nothing in it is markup, and no one is mentioned."""
    plain = visible(" ".join(str(text).replace("`", "'").split()))
    return f"`{plain.replace('|', '/')}`"


def _head(run: MeasuredRun) -> str:
    first = run.levels[0].summary
    loop = "closed loop" if first.load.kind == "closed" else f"open loop, {run.config.get('arrivals', 'arrivals')}"
    date = run.columns.get("date") or str(run.origin.started)[:10]
    parts = [
        "emulated, not measured" if run.emulated else "",
        where_of(run),
        lengths_of(run),
        loop,
        f"seed {first.seed}",
        date,
    ]
    return (
        f"**{code(model_of(run))} on {code(engine_of(run))}** · {' · '.join(markdown_text(str(p)) for p in parts if p)}"
    )


def _cells(name: str, s: LevelSummary) -> dict[str, str]:
    """The cells of a level by their heading."""
    window = s.throughput.window
    cells = (
        name,
        shown(window.requests_s),
        shown(window.output_tok_s, 4),
        percent_or_dash(half_width(s)),
        shown(per_gpu(s, "output"), 4),
        shown(per_gpu(s, "total"), 4),
        shown(statistic_ms(s, "ttft", "p50")),
        shown(statistic_ms(s, "ttft", "p99")),
        shown(statistic_ms(s, "tpot", "p50")),
        shown(statistic_ms(s, "tpot", "p99")),
        shown(statistic_ms(s, "itl", "p99")),
        shown(statistic(s, "e2e", "p50")),
        str(s.errors.failed),
        verdict(s),
        client(s),
    )
    return dict(zip(HEADS, cells, strict=True))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(c if c == '--:' else markdown_text(c) for c in cells)} |"


def _spread(rows: Sequence[tuple[str, LevelSummary]], most: int) -> list[tuple[str, LevelSummary]]:
    """All rows, or at most that many of them, the first and the last included."""
    n = len(rows)
    if n <= most:
        return list(rows)
    return [rows[round(i * (n - 1) / (most - 1))] for i in range(most)]


def _repeats(summaries: Sequence[LevelSummary]) -> list[str]:
    """The means of repeated loads, ± half of the 95 % interval by the spread between runs."""
    grid = repeats_grid(summaries)
    if grid is None:
        return []
    heads = ("Mean of repeats", *grid.heads)
    rows = [_line((name, *cells)) for name, cells, _ in grid.rows[:MOST_REPEATS]]
    return ["", _line(heads), _line(["--:"] * len(heads)), *rows]


def _warnings(run: MeasuredRun) -> list[str]:
    common = [w for w in warnings_of([run]) if not w.code.startswith(RARE_QUANTILES)]
    lines = [f"- {w.title}, {where}: {text}" for w in common for where, text in w.texts]
    more = [f"- and {len(lines) - MOST_WARNINGS + 1} more warnings"] if len(lines) > MOST_WARNINGS else []
    kept = lines[: MOST_WARNINGS - 1] + more if more else lines
    return ["", *(f"- {markdown_text(line[2:])}" for line in kept)] if kept else []


def _foot(summaries: list[LevelSummary]) -> str:
    version = markdown_text(summaries[0].tool.version or __version__)
    return f"{markdown_text(worst_line(summaries))} · paretoken {version}, figures of the steady window"
