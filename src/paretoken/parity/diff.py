"""What changed between two scans of one engine."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.errors import BadConfig
from paretoken.parity.history import Entry, entry
from paretoken.parity.rows import AMD, NVIDIA, Scan


@dataclass(frozen=True, slots=True)
class Diff:
    """Before and after, and what came, went or changed its meaning, each by name. Steps are (source file, key)."""

    before: Entry
    after: Entry
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
    return Diff(
        a,
        b,
        *_changed(_files(before, AMD), _files(after, AMD)),
        *_changed(_files(before, NVIDIA), _files(after, NVIDIA)),
        *_changed(_gating(before), _gating(after)),
        *_changed(set(a.disabled), set(b.disabled)),
    )


def _changed(before: set, after: set) -> tuple[tuple, tuple]:
    return tuple(sorted(after - before)), tuple(sorted(before - after))


def _files(scan: Scan, vendor: str) -> set[str]:
    return {f for r in scan.of(vendor) if r.live for f in r.files}


def _gating(scan: Scan) -> set[tuple[str, str]]:
    return {r.pair for r in scan.of(AMD) if r.gates}
