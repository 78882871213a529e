"""`paretoken parity`: how much of NVIDIA's CI also runs on AMD."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from paretoken.cli import options

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("parity")
def command() -> None:
    """Measure how much of an engine's CUDA testing also runs on ROCm.

    \b
    Examples:
      paretoken parity scan --engine vllm --path vllm-0.33.0 --out rows.jsonl
      paretoken parity table rows.jsonl --by subject
      paretoken parity diff old.jsonl new.jsonl
      paretoken parity history
      paretoken parity results cuda.xml rocm.xml
    """


@command.command("scan")
@click.option("--engine", required=True, help="vllm, sglang, trtllm or pytorch.")
@click.option("--path", "tree", required=True, type=Path, help="Root of the source tree; it is only read.")
@click.option("--policy", type=FILE, help="TOML rules for who may stop a merge, laid over the shipped ones.")
@click.option("--date", help="Day whose rules hold, YYYY-MM-DD; the tree's own by default.")
@click.option("--commit", help="Commit of the tree, where it does not say it.")
@click.option("--out", type=FILE, default=Path("rows.jsonl"), show_default=True, help="JSON lines to write.")
@options.as_json
def scan_(engine, tree, policy, date, commit, out, as_json) -> None:
    """Read the CI of a source tree: steps, devices, files, skip conditions.

    \b
    Examples:
      paretoken parity scan --engine vllm --path vllm-0.33.0
      paretoken parity scan --engine sglang --path sglang --date 2026-08-20 --out sglang.jsonl
    """
    from paretoken.cli.output import console
    from paretoken.parity.measure import measure_coverage
    from paretoken.parity.rows import write_scan
    from paretoken.parity.scan import scan

    with console(stderr=True).status(f"Reading {tree}"):
        found = scan(engine, tree, policy=policy, date=options.iso_day(date), commit=commit)
    write_scan(found, out)
    _show_table(found, measure_coverage(found), as_json, f"Written to {out}; see it with: paretoken parity table {out}")


@command.command("table")
@click.argument("rows", type=FILE)
@click.option("--by", type=click.Choice(["area", "subject"]), help="Split by CI group, or by what the tests are about.")
@click.option("--names", is_flag=True, help="Also list files of one vendor only, and unresolved commands.")
@options.as_json
def table(rows, by, names, as_json) -> None:
    """Show coverage: counts, any, gate, gating parity, functions, GPUs, what is disabled and why.

    \b
    Examples:
      paretoken parity table rows.jsonl
      paretoken parity table rows.jsonl --by area
      paretoken parity table rows.jsonl --by subject --json
    """
    from paretoken.parity.measure import measure_coverage
    from paretoken.parity.rows import read_scan

    found = read_scan(rows)
    measured = measure_coverage(found, by)
    _show_table(found, measured, as_json)
    if names and not as_json:
        _show_names(found, measured[-1])


@command.command("results")
@click.argument("cuda", type=FILE)
@click.argument("rocm", type=FILE)
@options.as_json
def results_(cuda, rocm, as_json) -> None:
    """Compare two test runs (JUnit XML): what passes on CUDA, and what ROCm makes of it.

    \b
    Example:
      paretoken parity results cuda.xml rocm.xml
    """
    from dataclasses import asdict

    from paretoken.cli.output import print_json, print_table
    from paretoken.parity.junit import results

    found = results(cuda, rocm)
    if as_json:
        print_json(asdict(found))
        return
    print_table(
        "Tests that pass on CUDA, on ROCm",
        ("area", "pass on CUDA", "passed", "skipped", "failed", "missed", "share", "only on ROCm"),
        [
            (a.area, a.cuda_passed, a.passed, a.skipped, a.failed, a.missed, _share(a.share), a.amd_only)
            for a in (*found.areas, found.total)
        ],
    )


@command.command("diff")
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
@options.as_json
def diff_(before, after, as_json) -> None:
    """Show what changed between two scans of one engine.

    \b
    Example:
      paretoken parity diff vllm-0.32.jsonl vllm-0.33.jsonl
    """
    from dataclasses import asdict

    from paretoken.cli.output import console, print_json
    from paretoken.parity.diff import diff
    from paretoken.parity.rows import read_scan

    found = diff(read_scan(before), read_scan(after))
    if as_json:
        print_json(asdict(found))
        return
    show_entries([found.before, found.after])
    out = console()
    for title, names in _changes(found):
        if names:
            out.print(f"\n[bold]{title}[/bold]: {len(names)}")
            for name in names[:20]:
                out.print(f"  {name}", markup=False)
            out.print(f"  and {len(names) - 20} more" if len(names) > 20 else "", end="")
    out.print()


@command.command("history")
@click.argument("rows", type=FILE, nargs=-1)
@click.option("--out", type=FILE, help="Write the series as JSON.")
@click.option("--source", default="scans of the user", help="Where the trees came from; kept in the file.")
@options.as_json
def history_(rows, out, source, as_json) -> None:
    """Show coverage over time: the shipped series, or one made of scans.

    \b
    Examples:
      paretoken parity history
      paretoken parity history vllm-*.jsonl --out history.json
    """
    from dataclasses import asdict

    from paretoken.cli.output import print_json
    from paretoken.parity.history import history, shipped_history, write_history
    from paretoken.parity.rows import read_scan

    today = datetime.now(UTC).date().isoformat()
    found = history(map(read_scan, rows), made=today, source=source) if rows else shipped_history()
    if out:
        write_history(found, out)
    print_json(asdict(found)) if as_json else show_entries(found.entries)


def _show_table(found, measured, as_json: bool, note: str = "") -> None:
    from dataclasses import asdict

    from paretoken.cli.output import console, print_json, print_table

    s = found.snapshot
    if as_json:
        ratios = ("any", "gate", "gating_parity", "functions")
        print_json(
            {"snapshot": asdict(s), "coverage": [{**asdict(c), **{r: getattr(c, r) for r in ratios}} for c in measured]}
        )
        return
    print_table(
        f"{s.engine} {s.version} of {s.date} ({s.commit or 'commit not said'}): NVIDIA / AMD",
        (
            "area",
            "steps",
            "gate steps",
            "gating parity",
            "files",
            "any",
            "gate",
            "L2 functions",
            "L2",
            "AMD only",
            "disabled",
            "GPUs",
            "slices",
            "unresolved",
        ),
        [_cells(c) for c in measured],
    )
    out = console()
    reasons = _reasons(measured[-1].disabled)
    for reason, vendors in reasons[:12]:
        out.print(f"disabled: {vendors}: {reason}", style="dim", markup=False)
    for line in (*s.policy, *s.notes, note):
        if line:
            out.print(line, style="dim", markup=False)


def _cells(c) -> tuple:
    unknown = f"+{c.gate_steps_amd_unknown}?" if c.gate_steps_amd_unknown else ""
    return (
        c.area,
        f"{c.steps_nvidia} / {c.steps_amd}",
        f"{c.gate_steps_nvidia} / {c.gate_steps_amd}{unknown}",
        f"{_share(c.gating_parity)} ({c.gate_steps_paired})",
        f"{c.files_nvidia} / {c.files_amd}",
        _share(c.any),
        _share(c.gate),
        f"{c.functions_nvidia} / {c.functions_both}",
        _share(c.functions),
        len(c.amd_only),
        len(c.disabled),
        f"{c.slots_nvidia.whole} / {c.slots_amd.whole}",
        f"{c.slots_nvidia.slices} / {c.slots_amd.slices}",
        f"{c.unresolved_nvidia} / {c.unresolved_amd}",
    )


def _reasons(disabled) -> list[tuple[str, str]]:
    """Each reason with how many steps of which vendor it disables, the most first."""
    from collections import Counter

    counted = {reason: Counter(v for v, _, r in disabled if r == reason) for _, _, reason in disabled}
    ordered = sorted(counted.items(), key=lambda item: -sum(item[1].values()))
    return [(reason, ", ".join(f"{n} {vendor}" for vendor, n in vendors.items())) for reason, vendors in ordered]


def _show_names(found, total) -> None:
    from paretoken.cli.output import console

    out = console()
    for title, names in (("Only on NVIDIA", total.nvidia_only), ("Only on AMD", total.amd_only)):
        out.print(f"\n[bold]{title}[/bold]: {len(names)}")
        for name in names:
            out.print(f"  {name}", markup=False)
    out.print("\n[bold]Unresolved commands[/bold]")
    for text in dict.fromkeys(u for r in found.rows if r.live for u in r.unresolved):
        out.print(f"  {text}", markup=False)


def show_entries(entries) -> None:
    from paretoken.cli.output import print_table

    print_table(
        "Coverage over time: NVIDIA / AMD",
        (
            "engine",
            "version",
            "date",
            "steps",
            "gate steps",
            "paired",
            "gating parity",
            "files",
            "both",
            "any",
            "gate",
            "L2",
        ),
        [
            (
                e.engine,
                e.version,
                e.date,
                f"{e.total.steps_nvidia} / {e.total.steps_amd}",
                f"{e.total.gate_steps_nvidia} / {e.total.gate_steps_amd}"
                + (f"+{e.total.gate_steps_amd_unknown}?" if e.total.gate_steps_amd_unknown else ""),
                e.total.gate_steps_paired,
                _share(e.total.gating_parity),
                f"{e.total.files_nvidia} / {e.total.files_amd}",
                e.total.files_both,
                _share(e.total.any),
                _share(e.total.gate),
                _share(e.total.functions),
            )
            for e in entries
        ],
        note="+n?: AMD steps on every change of which it is not known whether their failure stops a merge",
    )


def _changes(found) -> list[tuple[str, list[str]]]:
    return [
        ("Files AMD gained", list(found.amd_files_gained)),
        ("Files AMD lost", list(found.amd_files_lost)),
        ("Files NVIDIA gained", list(found.nvidia_files_gained)),
        ("Files NVIDIA lost", list(found.nvidia_files_lost)),
        ("AMD steps that gate now", [k for _, k in found.amd_steps_now_gating]),
        ("AMD steps that no longer gate", [k for _, k in found.amd_steps_no_longer_gating]),
        ("Newly disabled", [f"{v}: {label}: {why}" for v, label, why in found.newly_disabled]),
        ("Enabled again", [f"{v}: {label}: {why}" for v, label, why in found.enabled_again]),
    ]


def _share(value: float | None) -> str:
    from paretoken.cli.output import NONE

    return NONE if value is None else f"{value:.1%}"
