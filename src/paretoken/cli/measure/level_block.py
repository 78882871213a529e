"""One measured load level in full: its requests, its rates, and its latencies by statistic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretoken.cli.measure.session_block import session_lines
from paretoken.cli.output import console, print_table, with_bold
from paretoken.plural import counted
from paretoken.report.numbers import shown

if TYPE_CHECKING:
    from paretoken.bench.stats.level_summary import LevelSummary

STATISTICS = ("mean", "p50", "p90", "p95", "p99", "min", "max", "std")
SPARE = ("std", "p95", "min", "max")
LATENCIES = (("TTFT, ms", "ttft", 1e3), ("TPOT, ms", "tpot", 1e3), ("ITL, ms", "itl", 1e3), ("E2E, s", "e2e", 1.0))
_WIDTH = 15


def show_level(name: str, summary: LevelSummary, why: str = "") -> None:
    """Print a level in full; `why` says why it is this one."""
    from paretoken.bench.stats.quantiles import scarce_quantiles

    out = console()
    origin = str(summary.origin).capitalize()
    out.print(with_bold((f"\n{origin}, {name}{f': {why}' if why else ''}", "bold")))
    for label, text in _lines(summary):
        out.print(f"{label:<{_WIDTH}}{text}")
    rows = [
        (head, *(_scaled(summary.latency.by_metric[metric].statistic(s), scale) for s in STATISTICS))
        for head, metric, scale in LATENCIES
    ]
    print_table("", ("latency", *STATISTICS), rows, spare=SPARE)
    for scarce in scarce_quantiles(summary.latency.by_metric, STATISTICS):
        out.print(str(scarce), style="dim")


def _lines(s: LevelSummary) -> Iterator[tuple[str, str]]:
    """Each figure with its unit, and what it is of."""
    from paretoken.report.run.figures import half_width

    window, whole, errors = s.throughput.window, s.throughput.whole_run, s.errors
    elapsed_s = s.run.elapsed_s or whole.seconds
    yield "Duration", f"{shown(elapsed_s)} s, of which {shown(s.window.seconds)} s in the steady window"
    failed = f", {errors.failed:,} failed ({errors.rate:.1%} of those that ended)" if errors.failed else ", none failed"
    yield "Requests", f"{errors.requests:,}, of which {s.window.requests:,} in the window{failed}"
    yield "Requests/s", shown(window.requests_s, 4)
    half = half_width(s)
    yield "Output tok/s", shown(window.output_tok_s, 4) + (f" ± {half:.1%} (95 % interval)" if half else "")
    yield "Total tok/s", shown(window.total_tok_s, 4)
    if s.n_gpus > 1:
        output, total = window.output_tok_s_per_gpu, window.total_tok_s_per_gpu
        yield "tok/s/GPU", f"{shown(output, 4)} output, {shown(total, 4)} total, on {counted(s.n_gpus, 'GPU')}"
    yield "tok/s/user", f"{shown(s.latency.interactivity_tok_s.p50, 4)} (1 / median TPOT)"
    goodput = s.goodput
    if goodput and (slos := ", ".join(o.slo.text for o in goodput.objectives if not o.slo.of_sessions)):
        yield "Goodput", f"{shown(goodput.requests_s, 4)} requests/s ({goodput.share:.1%} of requests) within {slos}"
    lengths = s.lengths
    planned = f" ({_tokens(lengths.planned_osl)} planned)" if lengths.planned_osl else ""
    yield "Tokens", f"{_tokens(lengths.mean_isl)} in, {_tokens(lengths.mean_osl)} out{planned}, mean of a request"
    yield from session_lines(s)


def _tokens(mean: float | None) -> str:
    return "–" if mean is None else f"{mean:,.1f}".removesuffix(".0")


def _scaled(seconds: float | None, scale: float) -> float | None:
    return None if seconds is None else seconds * scale
