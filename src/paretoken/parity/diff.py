"""What changed between two scans of one engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from paretoken.errors import BadConfig
from paretoken.parity.history import HistoryEntry, entry
from paretoken.parity.rows import AMD, NVIDIA, Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Both entries, and what was added, removed or changed, by name. Steps are (source file, key)."""

    before: HistoryEntry
    after: HistoryEntry
    amd_files_gained: tuple[str, ...]
    amd_files_lost: tuple[str, ...]
    nvidia_files_gained: tuple[str, ...]
    nvidia_files_lost: tuple[str, ...]
    amd_steps_now_gating: tuple[tuple[str, str], ...]
    amd_steps_no_longer_gating: tuple[tuple[str, str], ...]
    newly_disabled: tuple[tuple[str, str, str], ...]
    enabled_again: tuple[tuple[str, str, str], ...]


def diff(before: Scan, after: Scan) -> Diff:
    """Compare two scans; BadConfig if they are of different engines."""
    engines = before.snapshot.engine, after.snapshot.engine
    if len(set(engines)) > 1:
        raise BadConfig(f"the scans are of {engines[0]} and {engines[1]}; compare two of one engine")
    a, b = entry(before), entry(after)
    amd, nvidia = (_changed(_files(before, v), _files(after, v)) for v in (AMD, NVIDIA))
    gating, disabled = _changed(_gating(before), _gating(after)), _changed(set(a.disabled), set(b.disabled))
    return Diff(
        before=a,
        after=b,
        amd_files_gained=amd[0],
        amd_files_lost=amd[1],
        nvidia_files_gained=nvidia[0],
        nvidia_files_lost=nvidia[1],
        amd_steps_now_gating=gating[0],
        amd_steps_no_longer_gating=gating[1],
        newly_disabled=disabled[0],
        enabled_again=disabled[1],
    )


T = TypeVar("T", str, tuple[str, str], tuple[str, str, str])


def _changed(before: set[T], after: set[T]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """What is new, and what is gone, sorted."""
    return tuple(sorted(after - before)), tuple(sorted(before - after))


def _files(scan: Scan, vendor: str) -> set[str]:
    return {f for r in scan.of(vendor) if r.runs for f in r.files}


def _gating(scan: Scan) -> set[tuple[str, str]]:
    return {r.pair for r in scan.of(AMD) if r.gates}
