"""`paretoken parity`: how much of an engine's CI on NVIDIA also runs on AMD."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import rich_click as click

from paretoken.cli import context, options
from paretoken.cli.cells import share
from paretoken.cli.progress import told_on_stderr
from paretoken.cli.trust.parity_tables import changes, show_entries, show_names, show_remarks, show_table

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("parity")
def command() -> None:
    """Measure how much of an engine's CI on CUDA also runs on ROCm.

    \b
    Examples:
      paretoken parity scan --engine vllm --path vllm-0.33.0 --out rows.jsonl
      paretoken parity table rows.jsonl --by subject
      paretoken parity diff old.jsonl new.jsonl
      paretoken parity history
      paretoken parity results cuda.xml rocm.xml
      paretoken parity overview --gate gate.json
    """


@command.command("scan")
@click.option("--engine", required=True, help="Project to read: vllm, sglang, trtllm or pytorch.")
@click.option("--path", "tree", required=True, type=Path, help="Root of the source tree; read, never run.")
@click.option("--policy", type=FILE, help="TOML file with extra rules for which steps block a merge.")
@click.option("--date", help="Date for the rules, YYYY-MM-DD (default: the date of the tree).")
@click.option("--commit", help="Commit of the tree, if it has no Git metadata.")
@click.option("--out", type=FILE, default=Path("rows.jsonl"), show_default=True, help="File to write, as JSON lines.")
@options.as_json
def scan_(
    engine: str, tree: Path, policy: Path | None, date: str | None, commit: str | None, out: Path, as_json: bool
) -> None:
    """Read the CI of a source tree.

    Finds steps, devices, test files and skip conditions.

    \b
    Examples:
      paretoken parity scan --engine vllm --path vllm-0.33.0
      paretoken parity scan --engine sglang --path sglang --date 2026-08-20 \\
                       --out sglang.jsonl
    """
    from paretoken.parity.measure import measure_coverage
    from paretoken.parity.rows import write_scan
    from paretoken.parity.scan import scan

    with told_on_stderr(f"Reading {tree}"):
        scanned = scan(engine, tree, policy=policy, date=context.iso_day(date), commit=commit)
    write_scan(scanned, out)
    show_table(
        scanned, measure_coverage(scanned), as_json, f"Written to {out}. Show it with: paretoken parity table {out}"
    )


@command.command("table")
@click.argument("rows", type=FILE)
@click.option(
    "--by",
    type=click.Choice(["area", "subject"]),
    help="Split by the project's CI groups, or by test subject.",
)
@click.option("--names", is_flag=True, help="Also list single-vendor files and unresolved commands.")
@options.as_json
def table(rows: Path, by: str | None, names: bool, as_json: bool) -> None:
    """Show the coverage of a scan.

    Counts, ratios, GPUs, and disabled steps with their reasons.

    \b
    Examples:
      paretoken parity table rows.jsonl
      paretoken parity table rows.jsonl --by area
      paretoken parity table rows.jsonl --by subject --json
    """
    from paretoken.parity.measure import measure_coverage
    from paretoken.parity.rows import read_scan

    scanned = read_scan(rows)
    measured = measure_coverage(scanned, by)
    show_table(scanned, measured, as_json)
    if names and not as_json:
        show_names(scanned, measured[-1])


@command.command("results")
@click.argument("cuda", type=FILE)
@click.argument("rocm", type=FILE)
@options.as_json
def results_(cuda: Path, rocm: Path, as_json: bool) -> None:
    """Compare two test runs (JUnit XML).

    Takes the tests that pass on CUDA and shows their results on ROCm.

    \b
    Example:
      paretoken parity results cuda.xml rocm.xml
    """
    from dataclasses import asdict

    from paretoken.cli.output import print_json, print_table
    from paretoken.parity.junit import results

    compared = results(cuda, rocm)
    if as_json:
        print_json(asdict(compared))
        return
    print_table(
        "Results on ROCm of the tests that pass on CUDA",
        ("area", "pass on CUDA", "passed", "skipped", "failed", "missed", "share", "only on ROCm"),
        [
            (a.area, a.cuda_passed, a.passed, a.skipped, a.failed, a.missed, share(a.share, ".1%"), a.amd_only)
            for a in (*compared.areas, compared.total)
        ],
    )


@command.command("diff")
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
@options.as_json
def diff_(before: Path, after: Path, as_json: bool) -> None:
    """Show the changes between two scans of one engine.

    \b
    Example:
      paretoken parity diff vllm-0.32.jsonl vllm-0.33.jsonl
    """
    from dataclasses import asdict

    from paretoken.cli.output import console, print_json, with_bold
    from paretoken.parity.diff import diff
    from paretoken.parity.rows import read_scan

    compared = diff(read_scan(before), read_scan(after))
    if as_json:
        print_json(asdict(compared))
        return
    show_entries([compared.before, compared.after])
    out = console()
    for title, names in changes(compared):
        if names:
            out.print(with_bold("\n", (title, "bold"), f": {len(names)}"))
            for name in names[:20]:
                out.print(f"  {name}")
            out.print(f"  and {len(names) - 20} more" if len(names) > 20 else "", end="")
    out.print()


@command.command("history")
@click.argument("rows", type=FILE, nargs=-1)
@click.option("--engine", help="Show one engine only, such as vllm or sglang.")
@click.option("--out", type=FILE, help="Also write the series to this JSON file.")
@click.option("--source", default="scans of the user", help="Origin of the source trees; stored in the file.")
@options.as_json
def history_(rows: tuple[Path, ...], engine: str | None, out: Path | None, source: str, as_json: bool) -> None:
    """Show coverage over time.

    Uses the shipped series of vLLM and SGLang, or your own scans.

    \b
    Examples:
      paretoken parity history
      paretoken parity history --engine sglang
      paretoken parity history vllm-*.jsonl --out history.json
    """
    from dataclasses import asdict

    from paretoken.cli.output import print_json
    from paretoken.parity.history import history, shipped_history, write_history
    from paretoken.parity.rows import read_scan

    today = datetime.now(UTC).date().isoformat()
    series = history(map(read_scan, rows), made=today, source=source) if rows else shipped_history()
    series = series.of(engine) if engine else series
    if out:
        write_history(series, out)
    if as_json:
        print_json(asdict(series))
    else:
        show_entries(series.entries)
        show_remarks(series)


@command.command("overview")
@click.option(
    "--history", "history_file", type=FILE, help="Series written by `parity history --out` (default: the shipped one)."
)
@click.option("--gate", "gates", multiple=True, type=FILE, help="Verdict of `accuracy gate` (repeatable).")
@options.as_json
def overview_(history_file: Path | None, gates: tuple[Path, ...], as_json: bool) -> None:
    """Show coverage and accuracy together.

    CI coverage over time, and verdicts of the accuracy gate.

    \b
    Examples:
      paretoken parity overview --json
      paretoken parity overview --gate gate.json
    """
    from paretoken.answers.ecosystem import OverviewQuestion, overview
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json, print_table

    answer = overview(OverviewQuestion(history=history_file, gates=gates))
    if as_json:
        print_json(to_json(answer))
        return
    show_entries(answer.coverage.entries)
    if answer.accuracy:
        tiers = [(gate, tier) for gate in answer.accuracy for tier in gate.tiers]
        rows = [(g.model, g.endpoint, g.made, g.verdict, t.title, t.verdict, t.why) for g, t in tiers]
        print_table("Accuracy", ("model", "endpoint", "date", "gate", "tier", "verdict", "why"), rows)
