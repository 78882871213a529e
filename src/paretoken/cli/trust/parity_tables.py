"""Tables of `paretoken parity`: coverage of one scan, coverage over time, changes between scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretoken.cli.cells import TableCell, pair, share

if TYPE_CHECKING:
    from paretoken.parity.diff import Diff
    from paretoken.parity.history import CoverageCounts, History, HistoryEntry
    from paretoken.parity.measure import Coverage
    from paretoken.parity.rows import Scan


def show_table(scanned: Scan, measured: Sequence[Coverage], as_json: bool, note: str = "") -> None:
    from dataclasses import asdict

    from paretoken.cli.output import console, print_json, print_table

    s = scanned.snapshot
    if as_json:
        ratios = ("any", "gate", "gating_parity", "functions")
        print_json(
            {"snapshot": asdict(s), "coverage": [{**asdict(c), **{r: getattr(c, r) for r in ratios}} for c in measured]}
        )
        return
    print_table(
        f"{s.engine} {s.version} of {s.date} ({s.commit or 'commit unknown'}): NVIDIA / AMD",
        (
            "area",
            "steps",
            "gate steps",
            "gating parity",
            "paired",
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
        spare=("unresolved", "slices", "L2 functions", "L2", "paired", "GPUs", "AMD only", "disabled"),
    )
    out = console()
    reasons = _reasons(measured[-1].disabled)
    for reason, vendors in reasons[:12]:
        out.print(f"disabled: {vendors}: {reason}", style="dim")
    for line in (*s.policy, *s.notes, note):
        if line:
            out.print(line, style="dim")


def _cells(c: Coverage) -> tuple[object, ...]:
    return (
        c.area,
        _steps(c),
        _gates(c),
        _share(c.gating_parity),
        c.gate_steps_paired,
        _both(c.files_nvidia, c.files_amd),
        _share(c.any),
        _share(c.gate),
        pair(("NVIDIA", c.functions_nvidia), ("both", c.functions_both)),
        _share(c.functions),
        len(c.amd_only),
        len(c.disabled),
        _both(c.slots_nvidia.whole, c.slots_amd.whole),
        _both(c.slots_nvidia.slices, c.slots_amd.slices),
        _both(c.unresolved_nvidia, c.unresolved_amd),
    )


def _reasons(disabled: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Each reason with the number of steps that it disables per vendor, the most first."""
    from collections import Counter

    counted = {reason: Counter(v for v, _, r in disabled if r == reason) for _, _, reason in disabled}
    ordered = sorted(counted.items(), key=lambda item: -sum(item[1].values()))
    return [(reason, ", ".join(f"{n} {vendor}" for vendor, n in vendors.items())) for reason, vendors in ordered]


def show_names(scanned: Scan, total: Coverage) -> None:
    from paretoken.cli.output import console, with_bold

    out = console()
    for title, names in (("Only on NVIDIA", total.nvidia_only), ("Only on AMD", total.amd_only)):
        out.print(with_bold("\n", (title, "bold"), f": {len(names)}"))
        for name in names:
            out.print(f"  {name}")
    out.print("\nUnresolved commands", style="bold")
    for text in dict.fromkeys(u for r in scanned.rows if r.live for u in r.unresolved):
        out.print(f"  {text}")


def show_entries(entries: Sequence[HistoryEntry]) -> None:
    """The coverage of each release as a table."""
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
                e.name,
                e.date,
                _steps(e.total),
                _gates(e.total),
                e.total.gate_steps_paired,
                _share(e.total.gating_parity),
                _both(e.total.files_nvidia, e.total.files_amd),
                e.total.files_both,
                _share(e.total.any),
                _share(e.total.gate),
                _share(e.total.functions),
            )
            for e in entries
        ],
        note="+n? in steps: nothing in the tree runs them; in gate steps: they may or may not block a merge",
        spare=("both", "paired", "L2"),
    )


def show_remarks(series: History) -> None:
    """Trees in the middle of a move, and the sources."""
    from paretoken.cli.output import console

    lines = [f"{e.engine} {e.name} of {e.date}: {e.notes[0]}" for e in series.entries if e.moving]
    lines += [f"{s.engine}: {s.source} ({s.licence}), computed {s.made}" for s in series.sources]
    for line in lines:
        console().print(line, style="dim")


def _both(nvidia: int, amd: int) -> TableCell:
    return pair(("NVIDIA", nvidia), ("AMD", amd))


def _steps(c: Coverage | CoverageCounts) -> TableCell:
    return _with_unknown((c.steps_nvidia, c.steps_nvidia_unknown), (c.steps_amd, c.steps_amd_unknown))


def _gates(c: Coverage | CoverageCounts) -> TableCell:
    return _with_unknown((c.gate_steps_nvidia, 0), (c.gate_steps_amd, c.gate_steps_amd_unknown))


def _with_unknown(*counts: tuple[int, int]) -> TableCell:
    """`12 / 8+2?`: the steps of both vendors, each with those that are not known to run."""
    text = " / ".join(f"{n}+{unknown}?" if unknown else str(n) for n, unknown in counts)
    parts = ("NVIDIA", "NVIDIA unknown", "AMD", "AMD unknown")
    return TableCell(text, tuple(n for both in counts for n in both), parts)


def changes(diff: Diff) -> list[tuple[str, list[str]]]:
    return [
        ("Files AMD gained", list(diff.amd_files_gained)),
        ("Files AMD lost", list(diff.amd_files_lost)),
        ("Files NVIDIA gained", list(diff.nvidia_files_gained)),
        ("Files NVIDIA lost", list(diff.nvidia_files_lost)),
        ("AMD steps that gate now", [k for _, k in diff.amd_steps_now_gating]),
        ("AMD steps that no longer gate", [k for _, k in diff.amd_steps_no_longer_gating]),
        ("Newly disabled", [f"{v}: {label}: {why}" for v, label, why in diff.newly_disabled]),
        ("Enabled again", [f"{v}: {label}: {why}" for v, label, why in diff.enabled_again]),
    ]


def _share(value: float | None) -> TableCell | None:
    return share(value, ".1%")
