"""AMD GPUs through AMD SMI (`pip install 'paretoken[amd]'`, of the version of the installed ROCm)."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from types import ModuleType

from paretoken.engines.telemetry.source import Reading, Value, read_all

VIOLATIONS = {
    "per_ppt_pwr": "power cap",
    "per_socket_thrm": "thermal (socket)",
    "per_hbm_thrm": "thermal (HBM)",
    "per_vr_thrm": "thermal (regulator)",
    "per_prochot_thrm": "thermal (PROCHOT)",
}
"""Percent of the time in which a limit was hit. Source: amdsmi_get_violation_status, AMD SMI 7.0.2."""
_ERRORS = (KeyError, TypeError, ValueError)


class AmdSmi:
    """Every AMD GPU that the driver shows. Values that the library reports as "N/A" are left out."""

    name = "amdsmi"

    def __init__(self, library: ModuleType) -> None:
        self._smi = library
        self._handles = {f"gpu{i}": handle for i, handle in enumerate(library.amdsmi_get_processor_handles())}
        self._errors = (library.AmdSmiException, *_ERRORS)

    def read(self) -> dict[str, Reading]:
        return {device: self._reading(gpu) for device, gpu in self._handles.items()}

    def _reading(self, gpu: object) -> Reading:
        s = self._smi
        return read_all(
            {
                "power_w": lambda: self._power_w(gpu),
                "energy_j": lambda: self._energy_j(gpu),
                "utilisation": lambda: float(s.amdsmi_get_gpu_activity(gpu)["gfx_activity"]) / 100,
                "memory_utilisation": lambda: float(s.amdsmi_get_gpu_activity(gpu)["umc_activity"]) / 100,
                "memory_used_gb": lambda: float(s.amdsmi_get_gpu_vram_usage(gpu)["vram_used"]) * 2**20 / 1e9,
                "clock_mhz": lambda: float(s.amdsmi_get_clock_info(gpu, s.AmdSmiClkType.GFX)["clk"]),
                "memory_clock_mhz": lambda: float(s.amdsmi_get_clock_info(gpu, s.AmdSmiClkType.MEM)["clk"]),
                "temperature_c": lambda: self._temperature_c(gpu),
                "throttle": lambda: self._throttle(gpu),
            },
            self._errors,
        )

    def _power_w(self, gpu: object) -> Value:
        """The current power, else the mean that older chips give."""
        power = self._smi.amdsmi_get_power_info(gpu)
        values = (power.get("current_socket_power"), power.get("average_socket_power"))
        return next((float(v) for v in values if isinstance(v, int | float) and v > 0), None)

    def _energy_j(self, gpu: object) -> Value:
        """The accumulator counts steps of its resolution, in microjoules."""
        count = self._smi.amdsmi_get_energy_count(gpu)
        return float(count["energy_accumulator"]) * float(count["counter_resolution"]) / 1e6

    def _temperature_c(self, gpu: object) -> Value:
        s = self._smi
        return float(s.amdsmi_get_temp_metric(gpu, s.AmdSmiTemperatureType.HOTSPOT, s.AmdSmiTemperatureMetric.CURRENT))

    def _throttle(self, gpu: object) -> Value:
        status = self._smi.amdsmi_get_violation_status(gpu)
        percents = {k: status.get(k) for k in VIOLATIONS if isinstance(status.get(k), int | float)}
        return "+".join(VIOLATIONS[k] for k, percent in percents.items() if percent > 0) if percents else None

    def about(self) -> dict[str, object]:
        s = self._smi
        rocm = s.amdsmi_get_rocm_version()
        return {
            "driver": self._driver(),
            "rocm": rocm[1] if isinstance(rocm, tuple) and rocm[0] else None,
            "gpus": {device: self._about(gpu) for device, gpu in self._handles.items()},
            "links": self._links(),
        }

    def _driver(self) -> Value:
        gpu = next(iter(self._handles.values()))
        return read_all({"v": lambda: self._smi.amdsmi_get_gpu_driver_info(gpu)["driver_version"]}, self._errors).get(
            "v"
        )

    def _about(self, gpu: object) -> Reading:
        s = self._smi
        return read_all(
            {
                "name": lambda: s.amdsmi_get_gpu_asic_info(gpu)["market_name"],
                "memory_gb": lambda: float(s.amdsmi_get_gpu_vram_usage(gpu)["vram_total"]) * 2**20 / 1e9,
            },
            self._errors,
        )

    def _links(self) -> dict[str, str]:
        """Kind and hops of the path between two GPUs; XGMI is the mesh."""
        links = {}
        for (a, left), (b, right) in combinations(self._handles.items(), 2):
            link = read_all({"link": partial(self._link, left, right)}, self._errors)
            if link:
                links[f"{a}-{b}"] = str(link["link"])
        return links

    def _link(self, left: object, right: object) -> str:
        s = self._smi
        link = s.amdsmi_topo_get_link_type(left, right)
        names = {
            int(getattr(s.AmdSmiLinkType, n)): n[len("AMDSMI_LINK_TYPE_") :]
            for n in dir(s.AmdSmiLinkType)
            if n.startswith("AMDSMI_LINK_TYPE_")
        }
        return f"{names.get(int(link['type']), link['type'])}, {link['hops']} hops"

    def close(self) -> None:
        self._smi.amdsmi_shut_down()


def open_source() -> AmdSmi | None:
    """AMD SMI, where its Python module and library are there and show a GPU."""
    try:
        import amdsmi
    except Exception:  # without the driver's library the module fails in ways of its own
        return None
    try:
        amdsmi.amdsmi_init(amdsmi.AmdSmiInitFlags.INIT_AMD_GPUS)
    except amdsmi.AmdSmiException:
        return None
    source = AmdSmi(amdsmi)
    if not source.read():
        source.close()
        return None
    return source
