"""What this machine is: memory, disk, GPUs, and whether their power can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from paretoken.engines.telemetry.source import TelemetrySource
from paretoken.start.machine import Grade, Machine, MachineCheck

GROUP = "Hardware"
LEAST_DISK_GB, LITTLE_DISK_GB = 1.0, 10.0
VENDORS = (
    ("NVIDIA", "nvml", "nvidia", ("proc/driver/nvidia", "dev/nvidiactl"), "nvidia-smi"),
    ("AMD", "amdsmi", "amd", ("dev/kfd",), "rocm-smi"),
)
"""Vendor, its source of telemetry, the extra that installs it, files of its driver, its program."""


def hardware_checks(machine: Machine) -> Iterator[MachineCheck]:
    """Host, GPUs by vendor, disk."""
    sources = {source.name: source for source in machine.sources()}
    try:
        if "host" in sources:
            yield from _host(sources["host"])
        gpus = [check for vendor in VENDORS if (check := _gpus(machine, sources, *vendor))]
        yield from gpus or [
            MachineCheck(
                group=GROUP,
                name="GPUs",
                grade="note",
                text="none, and no driver: servers on other machines can be measured, not their power",
            )
        ]
    finally:
        for source in sources.values():
            source.close()
    yield _disk(machine)


def _host(host: TelemetrySource) -> Iterator[MachineCheck]:
    about = host.about()
    total = about.get("memory_gb")
    used = next(iter(host.read().values()), {}).get("memory_used_gb")
    yield MachineCheck(
        group=GROUP, name="CPU", grade="ok", text=f"{about.get('cpu') or 'unnamed'}, {about.get('cpus')} CPUs"
    )
    if isinstance(total, float) and isinstance(used, float):
        text = f"{total:.0f} GB, {total - used:.0f} GB of them available"
        yield MachineCheck(group=GROUP, name="memory", grade="ok", text=text, value=round(total, 1))


def _gpus(
    machine: Machine,
    sources: Mapping[str, TelemetrySource],
    vendor: str,
    library: str,
    extra: str,
    files: tuple[str, ...],
    program: str,
) -> MachineCheck | None:
    """The GPUs of a vendor, or its driver without the library that reads them; None without either."""
    name = f"{vendor} GPUs"
    if library in sources:
        about = sources[library].about()
        gpus = about.get("gpus")
        names = Counter(str(g.get("name")) for g in gpus.values()) if isinstance(gpus, Mapping) else Counter[str]()
        models = ", ".join(f"{n} × {model}" for model, n in names.items())
        text = f"{models}; driver {about.get('driver')}; power, clocks and temperature by {library}"
        return MachineCheck(group=GROUP, name=name, grade="ok", text=text, value=names.total())
    if not any(map(machine.exists, files)) and machine.which(program) is None:
        return None
    return MachineCheck(
        group=GROUP,
        name=name,
        grade="missing",
        text=f"the driver is there, but {library} shows no GPU: no power, clocks or temperature of a run",
        fix=f"pip install 'paretoken[{extra}]'; check that {program} lists the GPUs",
    )


def _disk(machine: Machine) -> MachineCheck:
    free_gb = machine.free_bytes(machine.folder) / 1e9
    text = f"{free_gb:,.1f} GB free in {machine.folder.resolve()}, where run folders go"
    if not machine.writable(machine.folder):
        text, fix = f"{machine.folder.resolve()} cannot be written to", "change to a folder of your own, or give --out"
        return MachineCheck(group=GROUP, name="disk", grade="missing", text=text, fix=fix)
    grade: Grade = "missing" if free_gb < LEAST_DISK_GB else "note" if free_gb < LITTLE_DISK_GB else "ok"
    fix = "" if grade == "ok" else "free some space, or give --out on another disk"
    return MachineCheck(
        group=GROUP,
        name="disk",
        grade=grade,
        text=text,
        fix=fix,
        value=round(free_gb, 1),
    )
