"""NVIDIA GPUs through NVML (`pip install 'paretoken[nvidia]'`)."""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations
from types import ModuleType

from paretoken.engines.telemetry.source import Reading, read_all

THROTTLES = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}
"""Bits of the reasons that hold a busy clock down; idle and user-set clocks are not among them. Source: nvml.h."""


class Nvml:
    """Every NVIDIA GPU that the driver shows."""

    name = "nvml"

    def __init__(self, library: ModuleType) -> None:
        self._nvml = library
        self._handles = {f"gpu{i}": library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())}

    def read(self) -> dict[str, Reading]:
        return {device: self._reading(handle) for device, handle in self._handles.items()}

    def _reading(self, gpu: object) -> Reading:
        n = self._nvml
        return read_all(
            {
                "power_w": lambda: n.nvmlDeviceGetPowerUsage(gpu) / 1e3,
                "energy_j": lambda: n.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1e3,
                "utilisation": lambda: n.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
                "memory_utilisation": lambda: n.nvmlDeviceGetUtilizationRates(gpu).memory / 100,
                "memory_used_gb": lambda: n.nvmlDeviceGetMemoryInfo(gpu).used / 1e9,
                "clock_mhz": lambda: float(n.nvmlDeviceGetClockInfo(gpu, n.NVML_CLOCK_SM)),
                "memory_clock_mhz": lambda: float(n.nvmlDeviceGetClockInfo(gpu, n.NVML_CLOCK_MEM)),
                "temperature_c": lambda: float(n.nvmlDeviceGetTemperature(gpu, n.NVML_TEMPERATURE_GPU)),
                "throttle": lambda: _throttle(n.nvmlDeviceGetCurrentClocksEventReasons(gpu)),
            },
            (n.NVMLError,),
        )

    def about(self) -> dict[str, object]:
        n = self._nvml
        cuda = n.nvmlSystemGetCudaDriverVersion()
        return {
            "driver": n.nvmlSystemGetDriverVersion(),
            "cuda_driver": f"{cuda // 1000}.{cuda % 1000 // 10}",
            "gpus": {device: self._about(gpu) for device, gpu in self._handles.items()},
            "links": self._links(),
        }

    def _about(self, gpu: object) -> Reading:
        n = self._nvml
        return read_all(
            {
                "name": lambda: n.nvmlDeviceGetName(gpu),
                "memory_gb": lambda: n.nvmlDeviceGetMemoryInfo(gpu).total / 1e9,
                "power_limit_w": lambda: n.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1e3,
                "nvlinks": lambda: float(self._nvlinks(gpu)),
            },
            (n.NVMLError,),
        )

    def _nvlinks(self, gpu: object) -> int:
        """NVLinks that are up."""
        n = self._nvml
        up = 0
        for link in range(n.NVML_NVLINK_MAX_LINKS):
            try:
                up += n.nvmlDeviceGetNvLinkState(gpu, link)
            except n.NVMLError:
                break
        return up

    def _links(self) -> dict[str, str]:
        """The nearest common point of the path between two GPUs, as nvidia-smi's topology names it."""
        names = {0: "same board", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
        links = {}
        for (a, left), (b, right) in combinations(self._handles.items(), 2):
            with suppress(self._nvml.NVMLError):
                level = int(self._nvml.nvmlDeviceGetTopologyCommonAncestor(left, right))
                links[f"{a}-{b}"] = names.get(level, str(float(level)))
        return links

    def close(self) -> None:
        self._nvml.nvmlShutdown()


def open_source() -> Nvml | None:
    """NVML, where its Python module and the driver are there and show a GPU."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    source = Nvml(pynvml)
    if not source.read():
        source.close()
        return None
    return source


def _throttle(bits: int) -> str:
    return "+".join(word for bit, word in THROTTLES.items() if bits & bit)
