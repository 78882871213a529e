"""Measured load levels as a table and as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from paretoken.cli.cells import share
from paretoken.cli.measure.level_block import show_level
from paretoken.cli.measure.level_warnings import show_warnings
from paretoken.cli.measure.session_block import ms, session_cells
from paretoken.cli.output import console, print_table, with_bold
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.bench.run_folder import LevelOnDisk, RunFolder
    from paretoken.bench.stats.level_summary import LevelSummary
    from paretoken.bench.stats.sweep_summary import SearchAnswer

    Numbered: TypeAlias = Sequence[tuple[str, LevelSummary]]

SPARE = (
    "requests",
    "tok/s ±95 %",
    "total tok/s",
    "ITL p99",
    "E2E p50 s",
    "tok/s/user",
    "errors",
    "tok/s/GPU",
    "session p90 s",
    "req/s",
    "goodput",
)
"""Columns left out on a narrow terminal, the first one first."""
_LOWER = {"ttft_merged": "TTFT overstated", "no_usage": "no usage"}
P99 = "p99"
_IF_ANY = ("tok/s/GPU", "goodput", "SLO", "sessions/h", "session p50 s", "session p90 s", "hits")


def show_run(folder: RunFolder, levels: Sequence[LevelOnDisk], *, every: bool = False) -> None:
    """The levels, the answer of a search, and where the run is; with `every`, each level in full."""
    from paretoken.bench.stats.sweep_summary import load_found

    answer = folder.search_answer()
    show_levels(levels, answer, every=every)
    out = console()
    if answer and answer.get("kind") in ("slo", "knee"):
        what = f"within {answer.get('slo')}" if answer.get("kind") == "slo" else "at the knee"
        none = "unknown" if answer.get("unknown") else "none"
        load = ("at least " if answer.get("at_least") else "") + (load_found(answer) or none)
        steps = counted(answer.get("steps", 0), "step")
        out.print(with_bold("\n", f"Highest load {what}: ", (load, "bold"), f", in {steps}"))
        for doubt in answer.get("doubts", ()):
            out.print(f"Approximate: {doubt}", style="yellow")
    out.print(f"Run: {folder.folder}   (paretoken report {folder.folder}, paretoken share {folder.folder})")


def show_levels(levels: Sequence[LevelOnDisk], answer: SearchAnswer | None = None, *, every: bool = False) -> None:
    """The table of several levels, one level in full or every one, then the warnings of all."""
    from paretoken.bench.stats.level_in_full import level_in_full
    from paretoken.bench.stats.repeats import names

    summaries = [level.summary for level in levels]
    numbered = list(zip(names(summaries), summaries, strict=True))
    if len(numbered) > 1:
        _show_table(numbered)
    full = level_in_full(summaries, answer)
    if every or (len(numbered) == 1 and full is None):
        for name, summary in numbered:
            show_level(name, summary)
    elif full:
        name, summary = numbered[full.place]
        show_level(name, summary, full.why)
    _show_notes(numbered)


def _show_table(numbered: Numbered) -> None:
    from paretoken.report.run.tables import repeats_grid

    summaries = [summary for _, summary in numbered]
    title = f"{str(summaries[0].origin).capitalize()}, in the steady window: output tok/s of all GPUs, latencies in ms"
    rows = [_row(name, s) for name, s in numbered]
    # A column of one meaning for all levels says nothing: no errors, one GPU, no SLO.
    dull: dict[str, set[object]] = {"errors": {0}, **{c: {None} for c in _IF_ANY}}
    columns = [c for c in rows[0] if not {row[c] for row in rows} <= dull.get(c, set())]
    note = "goodput: requests/s within the SLOs" if "goodput" in columns else ""
    print_table(title, columns, [[row[c] for c in columns] for row in rows], note, spare=SPARE)
    if repeats := repeats_grid(summaries):
        title = "Means of repeats, ± half of the 95 % interval from the spread between runs"
        means = [(name, *cells) for name, cells, _ in repeats.rows]
        print_table(f"\n{title}", ("load", *repeats.heads), means, spare=repeats.heads[:1:-1])


def _show_notes(numbered: Numbered) -> None:
    """What to know of the levels before trusting them: warnings, speculation, scarce requests, the client."""
    from paretoken.bench.stats.warning_kinds import kinds_of_warning

    out = console()
    out.print("")
    show_warnings(kinds_of_warning(numbered))
    for name, summary in numbered:
        if drafting := _drafting(summary):
            out.print(f"{name}: {drafting}", style="dim")
    if len(numbered) > 1 and (scarce := scarce_p99(numbered)):
        out.print(scarce, style="dim")
    if numbered and (client := numbered[-1][1].fidelity):
        stamps = "kernel receive stamps" if client.kernel_stamps else "user-space stamps"
        out.print(
            f"client: {stamps}, read lag p99 {client.loop_lag_p99_s * 1e3:.2f} ms, "
            f"core {client.cpu_share:.0%}, steal {client.steal:.1%}",
            style="dim",
        )


def scarce_p99(numbered: Numbered) -> str:
    """How many requests a p99 needs, and at which loads it is left out or approximate; empty where none is."""
    from paretoken.bench.stats.quantiles import QUANTILES, needed, scarce_quantiles

    lacking: dict[str, list[str]] = {}
    for name, s in numbered:
        for scarce in scarce_quantiles({"e2e": s.latency.e2e_s}, (P99,)):
            lacking.setdefault(scarce.word, []).append(f"{name} ({scarce.n:,})")
    if not lacking:
        return ""
    kinds = [f"{word} at {', '.join(names)}" for word, names in sorted(lacking.items(), reverse=True)]
    least = needed(QUANTILES[P99])
    short = [s for _, s in numbered if 0 < s.latency.e2e_s.n < least]
    users = max(s.load.users or 0 for s in short)
    until = f"; --until '{least + 2 * users} requests' gives every level enough" if users else ""
    return f"p99 needs {least} requests in the window: {'; '.join(kinds)}{until}"


def one_line(summary: LevelSummary) -> str:
    """A finished level in one line."""
    from paretoken.bench.stats.warnings import by_gravity, grade_of, title_of

    failed = summary.errors.failed
    codes = sorted((w.code for w in summary.warnings if grade_of(w.code) != "note"), key=by_gravity)
    kinds = ", ".join(_LOWER.get(code, title_of(code).lower()) for code in codes)
    return (
        f"{summary.load.name}: {_number(summary.throughput.window.requests_s)} req/s, "
        f"{_number(summary.throughput.window.output_tok_s)} output tok/s, "
        f"TTFT {ms(summary.latency.ttft_s.p50)}, TPOT {ms(summary.latency.tpot_s.p50)}"
        f"{f', {failed} errors' if failed else ''}{f' ({kinds})' if kinds else ''}"
    )


def _row(name: str, s: LevelSummary) -> dict[str, object]:
    """One line of the table, by column."""
    from paretoken.report.run.figures import half_width

    window, latency, half = s.throughput.window, s.latency, half_width(s)
    return {
        "load": name,
        "req/s": window.requests_s,
        "tok/s": window.output_tok_s,
        "TTFT p50": _in_ms(latency.ttft_s.p50),
        "TTFT p99": _in_ms(latency.ttft_s.p99),
        "TPOT p50": _in_ms(latency.tpot_s.p50),
        "TPOT p99": _in_ms(latency.tpot_s.p99),
        "goodput": s.goodput.requests_s if s.goodput else None,
        "SLO": s.verdict if s.goodput else None,
        **session_cells(s.sessions),
        "tok/s/GPU": window.output_tok_s_per_gpu if s.n_gpus > 1 else None,
        "errors": s.errors.failed,
        "valid": _valid(s),
        "tok/s/user": latency.interactivity_tok_s.p50,
        "E2E p50 s": latency.e2e_s.p50,
        "ITL p99": _in_ms(latency.itl_s.p99),
        "total tok/s": window.total_tok_s,
        "tok/s ±95 %": share(half, ".1%") if half else None,
        "requests": s.window.requests,
    }


def _valid(s: LevelSummary) -> str:
    """`yes`, or the gravest reason not to rely on the level, in a word."""
    if s.failed:
        return "failed"
    if any(w.code == "buffered" for w in s.warnings):
        return "buffered"
    if s.client_limited:
        return "client"
    return "yes" if s.window.steady else "drifts" if s.window.enough else "short"


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


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
