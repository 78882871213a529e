"""The host by Linux's own files: CPU, memory, and the energy of the CPU package where the system shows it (RAPL)."""

from __future__ import annotations

import os
from pathlib import Path

from paretoken.engines.telemetry.source import Reading

DEVICE = "host"


class Host:
    """CPU and memory of this machine. The busy share is that since the reading before."""

    name = "host"

    def __init__(self, proc: Path = Path("/proc"), powercap: Path = Path("/sys/class/powercap")) -> None:
        self._proc = proc
        self._packages = [p for p in sorted(powercap.glob("intel-rapl:[0-9]*")) if p.name.count(":") == 1]
        self._before = self._cpu()

    def read(self) -> dict[str, Reading]:
        now = self._cpu()
        busy, whole = now[0] - self._before[0], now[1] - self._before[1]
        self._before = now
        reading: Reading = {"memory_used_gb": self._memory_used_gb()}
        if whole > 0:
            reading["utilisation"] = busy / whole
        joules = self._energy_j()
        return {DEVICE: reading | ({"energy_j": joules} if joules is not None else {})}

    def about(self) -> dict[str, object]:
        words = (self._proc / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in words if line.startswith("model name")), None)
        nodes = sorted(p.name for p in Path("/sys/devices/system/node").glob("node[0-9]*"))
        return {
            "cpu": model,
            "cpus": os.cpu_count(),
            "memory_gb": self._memory()["MemTotal"] * 1024 / 1e9,
            "numa_nodes": {n: _text(Path("/sys/devices/system/node") / n / "cpulist") for n in nodes},
            "governor": _text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        }

    def close(self) -> None:
        pass

    def _cpu(self) -> tuple[int, int]:
        """Ticks (busy, all) since boot; waiting for a disk, and time stolen by other guests, is not busy."""
        ticks = [int(t) for t in (self._proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
        user, nice, system, idle, iowait, irq, softirq, steal = ticks
        busy = user + nice + system + irq + softirq
        return busy, busy + idle + iowait + steal

    def _memory(self) -> dict[str, int]:
        """Kilobytes by name."""
        lines = (self._proc / "meminfo").read_text(encoding="ascii").splitlines()
        return {name: int(rest.split()[0]) for name, rest in (line.split(":", 1) for line in lines)}

    def _memory_used_gb(self) -> float:
        memory = self._memory()
        return (memory["MemTotal"] - memory["MemAvailable"]) * 1024 / 1e9

    def _energy_j(self) -> float | None:
        counts = [_text(p / "energy_uj") for p in self._packages]
        return sum(int(c) for c in counts if c) / 1e6 if counts and all(counts) else None


def open_source() -> Host | None:
    """The host, on Linux."""
    return Host() if Path("/proc/stat").exists() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
