"""Measured load levels as a table and as lines."""

from __future__ import annotations

from paretoken.bench.plan import load_name
from paretoken.cli.output import console, print_table

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
"""Columns that a narrow terminal goes without, the first first."""


def show_levels(levels) -> None:
    """The table of a run, then every warning of its levels."""
    from paretoken.bench.stats.repeats import names
    from paretoken.report.run.tables import repeats_grid

    summaries = [level.summary for level in levels]
    named = list(zip(names(summaries), summaries, strict=True))
    print_table("Measured", COLUMNS, [_row(name, s) for name, s in named], spare=SPARE)
    if again := repeats_grid(summaries):
        title = "Means of repeats, ± half of the 95 % interval by the spread between runs"
        rows = [(name, *cells) for name, cells, _ in again.rows]
        print_table(f"\n{title}", ("load", *again.heads), rows, spare=again.heads[:1:-1])
    out = console()
    for name, summary in named:
        for warning in _worth_saying(summary):
            out.print(f"{name}: {warning}", style="yellow", markup=False, highlight=False)
    proof = levels[-1].summary.get("fidelity") if levels else None
    if proof:
        stamps = "kernel receive stamps" if proof["kernel_stamps"] else "user-space stamps"
        out.print(
            f"client: {stamps}, read lag p99 {proof['loop_lag_p99_s'] * 1e3:.2f} ms, "
            f"core {proof['cpu_share']:.0%}, steal {proof['steal']:.1%}",
            style="dim",
            highlight=False,
        )


def one_line(summary) -> str:
    """A finished level in one line."""
    rates, ttft, tpot = summary["throughput"]["window"], _stat(summary, "ttft", "p50"), _stat(summary, "tpot", "p50")
    errors = summary["errors"]["failed"]
    marks = "".join(f" [{w['code']}]" for w in summary["warnings"] if not w["code"].startswith("quantile"))
    return (
        f"{load_name(summary['load'])}: {_number(rates['output_tok_s'])} output tok/s, TTFT {_ms(ttft)}, "
        f"TPOT {_ms(tpot)}{f', {errors} errors' if errors else ''}{marks}"
    )


def _row(name, s) -> tuple:
    rates, width = s["throughput"]["window"], (s["intervals"] or {}).get("output_tok_s")
    half = (width["high"] - width["low"]) / 2 / width["value"] if width and width.get("value") else None
    tpot = _stat(s, "tpot", "p50")
    return (
        name,
        rates["total_tok_s_per_gpu"],
        rates["output_tok_s_per_gpu"],
        f"{half:.1%}" if half else None,
        _in_ms(_stat(s, "ttft", "p50")),
        _in_ms(_stat(s, "ttft", "p99")),
        _in_ms(tpot),
        _in_ms(_stat(s, "itl", "p99")),
        _stat(s, "e2e", "p50"),
        1 / tpot if tpot else None,
        s["window"]["requests"],
        s["errors"]["failed"],
        "yes" if s["window"]["steady"] else "no",
        "limited" if (s["fidelity"] or {}).get("client_limited") else "ok",
    )


def _worth_saying(summary) -> list[str]:
    said = [w["text"] for w in summary["warnings"] if not w["code"].startswith("quantile")]
    return ([f"FAILED: {summary['failed']}"] if "failed" in summary else []) + said


def _stat(summary, metric: str, stat: str) -> float | None:
    return (summary["latency"].get(f"{metric}_s") or {}).get(stat)


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:,.1f} ms"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
