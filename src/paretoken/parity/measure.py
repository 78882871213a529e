"""How much of NVIDIA's CI also runs on AMD, by area: absolute counts first, each ratio beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

from paretoken.parity.rows import AMD, NVIDIA, Scan, StepRow

TOTAL = "all"


@dataclass(frozen=True, slots=True)
class Slots:
    """GPUs that one run of every live step takes: whole ones, and slices of one, which are not GPUs."""

    whole: int
    slices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One area. Ratios are None where NVIDIA has nothing to cover.

    `files_…` count test files in any trigger, `gate_files_…` those in steps that keep a change from being merged.
    `gate_steps_paired` of the `gate_steps_nvidia` have an AMD mirror that gates too. Functions are those not
    certainly skipped on the vendor. `gate_steps_amd_unknown` would gate if their blocking, which is not known, is hard.
    `steps_…_unknown` are steps that nothing in the tree runs; no other count has them.
    """

    area: str
    steps_nvidia: int
    steps_amd: int
    steps_nvidia_unknown: int
    steps_amd_unknown: int
    gate_steps_nvidia: int
    gate_steps_amd: int
    gate_steps_amd_unknown: int
    gate_steps_paired: int
    files_nvidia: int
    files_amd: int
    files_both: int
    gate_files_nvidia: int
    gate_files_amd: int
    gate_files_both: int
    functions_nvidia: int
    functions_both: int
    functions_unknown: int
    amd_only: tuple[str, ...]
    nvidia_only: tuple[str, ...]
    disabled: tuple[tuple[str, str, str], ...]
    slots_nvidia: Slots
    slots_amd: Slots
    unresolved_nvidia: int
    unresolved_amd: int

    @property
    def any(self) -> float | None:
        """|files on both| / |files on NVIDIA|."""
        return _ratio(self.files_both, self.files_nvidia)

    @property
    def gate(self) -> float | None:
        return _ratio(self.gate_files_both, self.gate_files_nvidia)

    @property
    def gating_parity(self) -> float | None:
        return _ratio(self.gate_steps_paired, self.gate_steps_nvidia)

    @property
    def functions(self) -> float | None:
        """Level 2: |functions that run on both| / |functions that run on NVIDIA|."""
        return _ratio(self.functions_both, self.functions_nvidia)


def measure_coverage(scan: Scan, by: str | None = None) -> list[Coverage]:
    """The whole tree as the last row, after one for each area (the project's own groups) or subject (by path)."""
    world = _World(scan)
    everything = _measure(TOTAL, scan.rows, world)
    if by == "area":
        areas = dict.fromkeys(r.area for r in scan.rows)
        return [*(_measure(a, [r for r in scan.rows if r.area == a], world) for a in areas), everything]
    if by == "subject":
        return [*(_measure(s, scan.rows, world, _is_about(s)) for s in SUBJECTS), everything]
    return [everything]


SUBJECTS = (
    "quantization",
    "MoE",
    "attention",
    "other kernels",
    "models",
    "distributed",
    "entrypoints",
    "everything else",
)


def subject(path: str) -> str:
    """What a test file is about, by its path; the same words for every engine."""
    name = path.lower()
    if "quant" in name:
        return "quantization"
    if "moe" in name or "expert" in name:
        return "MoE"
    if "attention" in name or "attn" in name or "mla" in name.rpartition("/")[2].split("_"):
        return "attention"
    if "kernel" in name or "/layers/" in name:
        return "other kernels"
    words = (
        ("models", "models"),
        ("distributed", "distributed"),
        ("disagg", "distributed"),
        ("kv_connector", "distributed"),
        ("entrypoints", "entrypoints"),
        ("openai", "entrypoints"),
    )
    return next((s for word, s in words if word in name), "everything else")


def _is_about(name: str) -> Callable[[str], bool]:
    return lambda path: subject(path) == name


class _World:
    """Facts of the whole scan: a file that AMD runs in another area counts as covered."""

    def __init__(self, scan: Scan) -> None:
        live = [r for r in scan.rows if r.runs]
        self.counts = {f.path: f for f in scan.files}
        self.nvidia = _files(r for r in live if r.vendor == NVIDIA)
        self.amd = _files(r for r in live if r.vendor == AMD)
        self.amd_gate = _files(r for r in live if r.vendor == AMD and r.gates)


def _measure(
    area: str, rows: Iterable[StepRow], world: _World, wanted: Callable[[str], bool] | None = None
) -> Coverage:
    """The coverage of some rows; with `wanted`, of those that hold such a file, and of such files alone."""
    rows = [r for r in rows if wanted is None or any(map(wanted, r.files))]
    live = {v: [r for r in rows if r.runs and r.vendor == v] for v in (NVIDIA, AMD)}
    unknown = Counter(r.vendor for r in rows if r.live and not r.runs)
    gating = {v: [r for r in live[v] if r.gates] for v in live}
    nvidia, amd = (_files(live[v], wanted) for v in (NVIDIA, AMD))
    gate_nvidia, gate_amd = (_files(gating[v], wanted) for v in (NVIDIA, AMD))
    both = nvidia & world.amd
    mirrors = {r.pair for r in gating[AMD]}
    counts = [world.counts[f] for f in nvidia if f in world.counts]
    return Coverage(
        area=area,
        steps_nvidia=len(live[NVIDIA]),
        steps_amd=len(live[AMD]),
        steps_nvidia_unknown=unknown[NVIDIA],
        steps_amd_unknown=unknown[AMD],
        gate_steps_nvidia=len(gating[NVIDIA]),
        gate_steps_amd=len(gating[AMD]),
        gate_steps_amd_unknown=sum(r.trigger == "gate" and r.blocking == "unknown" for r in live[AMD]),
        gate_steps_paired=sum(r.pair in mirrors for r in gating[NVIDIA]),
        files_nvidia=len(nvidia),
        files_amd=len(amd),
        files_both=len(both),
        gate_files_nvidia=len(gate_nvidia),
        gate_files_amd=len(gate_amd),
        gate_files_both=len(gate_nvidia & world.amd_gate),
        functions_nvidia=sum(c.nvidia for c in counts),
        functions_both=sum(c.both for c in counts if c.path in both),
        functions_unknown=sum(c.unknown_amd for c in counts if c.path in both),
        amd_only=tuple(sorted(amd - world.nvidia)),
        nvidia_only=tuple(sorted(nvidia - both)),
        disabled=tuple((r.vendor, r.label, r.disabled_reason) for r in rows if r.disabled_reason is not None),
        slots_nvidia=_slots(live[NVIDIA]),
        slots_amd=_slots(live[AMD]),
        unresolved_nvidia=sum(len(r.unresolved) for r in live[NVIDIA]),
        unresolved_amd=sum(len(r.unresolved) for r in live[AMD]),
    )


def _files(rows: Iterable[StepRow], wanted: Callable[[str], bool] | None = None) -> set[str]:
    return {f for f in chain.from_iterable(r.files for r in rows) if wanted is None or wanted(f)}


def _slots(rows: Iterable[StepRow]) -> Slots:
    whole = slices = 0
    for r in rows:
        if r.slice:
            slices += r.gpus * r.shards
        else:
            whole += r.gpus * r.shards
    return Slots(whole, slices)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
