"""Measured load levels as a table and as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretoken.cli.cells import share
from paretoken.cli.output import console, print_table, with_bold
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.bench.run_folder import LevelOnDisk, RunFolder
    from paretoken.bench.stats.level_summary import LevelSummary

COLUMNS = (
    "load",
    "tok/s/GPU total",
    "output",
    "±95 %",
    "TTFT p50 ms",
    "p99",
    "TPOT p50 ms",
    "ITL p99 ms",
    "E2E p50 s",
    "tok/s/user",
    "requests",
    "errors",
    "steady",
    "client",
)


SPARE = ("requests", "E2E p50 s", "tok/s/GPU total", "ITL p99 ms", "±95 %", "p99", "tok/s/user", "client", "steady")
"""Columns left out on a narrow terminal, the first one first."""


def show_run(folder: RunFolder, levels: Sequence[LevelOnDisk]) -> None:
    """The levels, the answer of a search, and where the run is."""
    from paretoken.bench.stats.sweep_summary import load_found

    show_levels(levels)
    out = console()
    answer = folder.search_answer()
    if answer and answer.get("kind") in ("slo", "knee"):
        what = f"within {answer.get('slo')}" if answer.get("kind") == "slo" else "at the knee"
        load = ("at least " if answer.get("at_least") else "") + (load_found(answer) or "none")
        steps = counted(answer.get("steps", 0), "step")
        out.print(with_bold("\n", f"Highest load {what}: ", (load, "bold"), f", in {steps}"))
        for doubt in answer.get("doubts", ()):
            out.print(f"Approximate: {doubt}", style="yellow")
    out.print(f"Run: {folder.folder}   (paretoken report {folder.folder}, paretoken share {folder.folder})")


def show_levels(levels: Sequence[LevelOnDisk]) -> None:
    """The table of a run, then every warning of its levels."""
    from paretoken.bench.stats.repeats import names
    from paretoken.report.run.tables import repeats_grid

    summaries = [level.summary for level in levels]
    numbered = list(zip(names(summaries), summaries, strict=True))
    title = str(summaries[0].origin).capitalize() if summaries else "Measured"
    print_table(title, COLUMNS, [_row(name, s) for name, s in numbered], spare=SPARE)
    if repeats := repeats_grid(summaries):
        title = "Means of repeats, ± half of the 95 % interval from the spread between runs"
        rows = [(name, *cells) for name, cells, _ in repeats.rows]
        print_table(f"\n{title}", ("load", *repeats.heads), rows, spare=repeats.heads[:1:-1])
    out = console()
    for name, summary in numbered:
        for warning in _warnings(summary):
            out.print(f"{name}: {warning}", style="yellow")
    for name, summary in numbered:
        if drafting := _drafting(summary):
            out.print(f"{name}: {drafting}", style="dim")
    if blank := _blank_p99(numbered):
        out.print(blank, style="dim")
    if summaries and (client := summaries[-1].fidelity):
        stamps = "kernel receive stamps" if client.kernel_stamps else "user-space stamps"
        out.print(
            f"client: {stamps}, read lag p99 {client.loop_lag_p99_s * 1e3:.2f} ms, "
            f"core {client.cpu_share:.0%}, steal {client.steal:.1%}",
            style="dim",
        )


def _blank_p99(numbered: Sequence[tuple[str, LevelSummary]]) -> str:
    """Why cells of p99 are blank, empty where none is for want of requests."""
    from paretoken.bench.stats.quantiles import QUANTILES, needed

    short = [name for name, s in numbered if s.latency.e2e_s.n and "p99" in s.latency.e2e_s.unsupported]
    if not short:
        return ""
    least = needed(QUANTILES["p99"])
    return f"p99 needs {least} requests in the window: blank for {', '.join(short)}; use --until '{2 * least} requests'"


def one_line(summary: LevelSummary) -> str:
    """A finished level in one line."""
    from paretoken.bench.stats.warnings import title_of

    failed = summary.errors.failed
    kinds = ", ".join(title_of(w.code).lower() for w in summary.warnings if not w.code.startswith("quantile"))
    return (
        f"{summary.load.name}: {_number(summary.throughput.window.output_tok_s)} output tok/s, "
        f"TTFT {_ms(summary.latency.ttft_s.p50)}, TPOT {_ms(summary.latency.tpot_s.p50)}"
        f"{f', {failed} errors' if failed else ''}{f' ({kinds})' if kinds else ''}"
    )


def _row(name: str, s: LevelSummary) -> tuple[object, ...]:
    from paretoken.report.run.figures import half_width

    window, latency, half = s.throughput.window, s.latency, half_width(s)
    return (
        name,
        window.total_tok_s_per_gpu,
        window.output_tok_s_per_gpu,
        share(half, ".1%") if half else None,
        _in_ms(latency.ttft_s.p50),
        _in_ms(latency.ttft_s.p99),
        _in_ms(latency.tpot_s.p50),
        _in_ms(latency.itl_s.p99),
        latency.e2e_s.p50,
        latency.interactivity_tok_s.p50,
        s.window.requests,
        s.errors.failed,
        "yes" if s.window.steady else "no",
        "limited" if s.client_limited else "ok",
    )


def _drafting(summary: LevelSummary) -> str:
    """`speculative mtp, K 3, acceptance length 2.33 (0.75 0.5 0.25 by position)`; "" where none was measured."""
    point = summary.point
    if point.get("acceptance_length") is None:
        return ""
    tokens = point.get("speculative_tokens")
    shares = point.get("acceptance_by_position")
    return (
        f"speculative {point.get('speculative')}, {'K not stated' if tokens is None else f'K {tokens}'}, "
        f"acceptance length {point['acceptance_length']:.3g}" + (f" ({shares} by position)" if shares else "")
    )


def _warnings(summary: LevelSummary) -> list[str]:
    texts = [w.text for w in summary.warnings if not w.code.startswith("quantile")]
    return ([f"FAILED: {summary.failed}"] if summary.failed else []) + texts


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:,.1f} ms"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
