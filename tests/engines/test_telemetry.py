"""Telemetry: units and absences of each source, a steady pace, and energy that is told only where samples cover it."""

from __future__ import annotations

import enum
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.stats.throughput import SpanThroughput
from paretoken.campaign.telemetry import figures
from paretoken.engines.telemetry.amd import AmdSmi
from paretoken.engines.telemetry.energy import integrate
from paretoken.engines.telemetry.host import Host
from paretoken.engines.telemetry.sampler import Sampler, as_table, open_sources
from paretoken.engines.telemetry.snapshot import snapshot

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def nvml(tmp_path_factory) -> Path:
    """The folder of a libnvidia-ml.so.1 of known truth."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    subprocess.run(
        [cc, "-shared", "-fPIC", "-O1", "-o", str(folder / "libnvidia-ml.so.1"), str(HERE / "nvml_of_known_truth.c")],
        check=True,
    )
    return folder


def with_nvml(folder: Path, code: str, **env: str):
    """What code prints as JSON in a Python whose NVML is that library."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json\nfrom paretoken.engines.telemetry import nvml\n{code}"],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_LIBRARY_PATH": str(folder), **env},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TestNvml:
    """The real nvidia-ml-py, bound to a library whose figures are known."""

    def test_units(self, nvml):
        read = with_nvml(nvml, "print(json.dumps(nvml.open_source().read()))")
        assert read["gpu0"] == {
            "power_w": 350.5,
            "energy_j": 7.0,
            "utilisation": 0.97,
            "memory_utilisation": 0.41,
            "memory_used_gb": 70.0,
            "clock_mhz": 1980.0,
            "memory_clock_mhz": 3201.0,
            "temperature_c": 66.0,
            "throttle": "power cap+thermal (hardware)",
        }

    def test_what_a_gpu_does_not_tell_is_absent(self, nvml):
        read = with_nvml(nvml, "print(json.dumps(nvml.open_source().read()))", NVML_MILLIWATTS="90000")
        assert "temperature_c" not in read["gpu1"]
        assert read["gpu1"]["power_w"] == 90.0 and read["gpu1"]["throttle"] == ""

    def test_what_it_is(self, nvml):
        about = with_nvml(nvml, "print(json.dumps(nvml.open_source().about()))")
        assert (about["driver"], about["cuda_driver"], about["links"]) == ("580.65.06", "13.1", {"gpu0-gpu1": "SYS"})
        assert about["gpus"]["gpu0"] == {
            "name": "NVIDIA H200",
            "memory_gb": 141.0,
            "power_limit_w": 700.0,
            "nvlinks": 18,
        }

    def test_no_gpu_no_source(self, nvml, tmp_path):
        assert with_nvml(nvml, "print(json.dumps(nvml.open_source()))", NVML_NONE="1") is None
        assert with_nvml(tmp_path, "print(json.dumps(nvml.open_source()))") is None


class _Types(enum.IntEnum):
    AMDSMI_LINK_TYPE_PCIE = 1
    AMDSMI_LINK_TYPE_XGMI = 2


def amd_library(**changes):
    """AMD SMI's functions as its 7.0.2 documents their answers."""

    class AmdSmiException(Exception):
        pass

    functions = {
        "amdsmi_get_processor_handles": lambda: ["a", "b"],
        "amdsmi_get_power_info": lambda gpu: {"current_socket_power": 612, "average_socket_power": "N/A"},
        "amdsmi_get_energy_count": lambda gpu: {"energy_accumulator": 2_000_000, "counter_resolution": 15.3},
        "amdsmi_get_gpu_activity": lambda gpu: {"gfx_activity": 88, "umc_activity": 52, "mm_activity": "N/A"},
        "amdsmi_get_gpu_vram_usage": lambda gpu: {"vram_total": 196_592, "vram_used": 1024},
        "amdsmi_get_clock_info": lambda gpu, kind: {"clk": 2100 if kind == "gfx" else 1300},
        "amdsmi_get_temp_metric": lambda gpu, sensor, metric: 71,
        "amdsmi_get_violation_status": lambda gpu: {"per_ppt_pwr": 3, "per_hbm_thrm": 0, "per_vr_thrm": "N/A"},
        "amdsmi_get_rocm_version": lambda: (True, "7.0.2"),
        "amdsmi_get_gpu_driver_info": lambda gpu: {"driver_version": "6.14.14"},
        "amdsmi_get_gpu_asic_info": lambda gpu: {"market_name": "AMD Instinct MI300X"},
        "amdsmi_topo_get_link_type": lambda a, b: {"hops": 1, "type": 2},
    }
    return SimpleNamespace(
        AmdSmiException=AmdSmiException,
        AmdSmiClkType=SimpleNamespace(GFX="gfx", MEM="mem"),
        AmdSmiTemperatureType=SimpleNamespace(HOTSPOT=1),
        AmdSmiTemperatureMetric=SimpleNamespace(CURRENT=0),
        AmdSmiLinkType=_Types,
        **(functions | changes),
    )


class TestAmdSmi:
    def test_units(self):
        assert AmdSmi(amd_library()).read()["gpu1"] == {
            "power_w": 612.0,
            "energy_j": 30.6,
            "utilisation": 0.88,
            "memory_utilisation": 0.52,
            "memory_used_gb": 1024 * 2**20 / 1e9,
            "clock_mhz": 2100.0,
            "memory_clock_mhz": 1300.0,
            "temperature_c": 71.0,
            "throttle": "power cap",
        }

    def test_not_available_is_absent(self):
        def raises(*_):
            raise library.AmdSmiException("not supported")

        library = amd_library(
            amdsmi_get_power_info=lambda gpu: {"current_socket_power": "N/A", "average_socket_power": 400},
            amdsmi_get_gpu_activity=lambda gpu: {"gfx_activity": "N/A"},
            amdsmi_get_violation_status=lambda gpu: {"per_ppt_pwr": "N/A"},
            amdsmi_get_temp_metric=raises,
        )
        read = AmdSmi(library).read()["gpu0"]
        assert read["power_w"] == 400.0
        assert not {"utilisation", "memory_utilisation", "throttle", "temperature_c"} & set(read)

    def test_what_it_is(self):
        about = AmdSmi(amd_library()).about()
        assert (about["rocm"], about["driver"], about["links"]) == ("7.0.2", "6.14.14", {"gpu0-gpu1": "XGMI, 1 hops"})


class TestHost:
    def test_of_files(self, tmp_path):
        def ticks(user, idle):
            (tmp_path / "stat").write_text(f"cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n")

        (tmp_path / "meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable: 6000000 kB\n")
        (tmp_path / "cpuinfo").write_text("model name : Some CPU\n")
        package = tmp_path / "cap" / "intel-rapl:0"
        package.mkdir(parents=True)
        (package / "energy_uj").write_text("2500000\n")
        ticks(100, 900)
        host = Host(tmp_path, tmp_path / "cap")
        ticks(175, 925)
        assert host.read()["host"] == {"utilisation": 0.75, "memory_used_gb": 10.24, "energy_j": 2.5}
        assert "utilisation" not in host.read()["host"]
        assert host.about()["cpu"] == "Some CPU"

    def test_of_this_machine(self):
        host = next(s for s in open_sources() if s.name == "host")
        sum(range(2_000_000))
        read = host.read()["host"]
        assert 0 <= read["utilisation"] <= 1 and read["memory_used_gb"] > 0
        assert host.about()["cpus"] == os.cpu_count()


class TestEnergy:
    AT = np.arange(0, 60.0, 1.0)

    def test_constant(self):
        found = integrate(self.AT, np.full(60, 500.0), 10.25, 40.75, 1.0)
        assert found.joules == pytest.approx(500 * 30.5) and found.mean_power_w == pytest.approx(500)

    def test_a_ramp_is_exact(self):
        found = integrate(self.AT, 10 * self.AT, 10.5, 20.5, 1.0, 5 * self.AT**2)
        assert found.joules == pytest.approx(5 * (20.5**2 - 10.5**2))
        assert found.counter_j == pytest.approx(found.joules, rel=1e-3)

    @given(
        power=st.lists(st.floats(50, 1500), min_size=60, max_size=60),
        cuts=st.tuples(st.floats(5, 20), st.floats(30, 40), st.floats(45, 55)),
    )
    def test_adds_up_and_lies_between_least_and_most(self, power, cuts):
        a, b, c = cuts
        parts = [integrate(self.AT, power, *span, 1.0).joules for span in ((a, b), (b, c))]
        whole = integrate(self.AT, power, a, c, 1.0)
        assert sum(parts) == pytest.approx(whole.joules)
        assert min(power) - 1e-9 <= whole.mean_power_w <= max(power) + 1e-9

    @pytest.mark.parametrize(
        ("at", "start", "end", "why"),
        [
            ([*range(10), *range(20, 40)], 5.0, 35.0, "a gap of 11.0 s"),
            (range(40), 10.0, 60.0, "a gap of 21.0 s"),
            (range(20, 60), 5.0, 40.0, "a gap of 15.0 s"),
            (range(60), 10.0, 13.0, "4 samples in the window"),
            (range(60), 10.0, 10.0, "empty"),
            ([], 0.0, 10.0, "0 samples"),
        ],
    )
    def test_a_window_that_is_not_covered(self, at, start, end, why):
        found = integrate(list(at), [1.0] * len(list(at)), start, end, 1.0)
        assert found.joules is None and why in found.problem


class Twice:
    """A source that fails every other time."""

    name = "twice"

    def __init__(self):
        self.count = 0

    def read(self):
        self.count += 1
        if self.count % 2 == 0:
            raise RuntimeError("driver hiccup")
        return {"gpu0": {"power_w": 100.0}}

    def about(self):
        return {}

    def close(self):
        self.count = -1


class TestSampler:
    def test_goes_on_after_a_failure(self):
        source = Twice()
        with Sampler([source], 0.01) as sampler:
            end = time.monotonic() + 10
            while sampler.missed < 3 and time.monotonic() < end:
                time.sleep(0.01)
            table = sampler.between(0, float("inf"))
        assert sampler.missed >= 3 and table.height >= 3 and source.count == -1
        assert table["at_s"].is_sorted()

    def test_absent_columns_are_absent(self):
        table = as_table([(1.0, "host", {"utilisation": 0.5}), (1.0, "gpu0", {"power_w": 1.0})])
        assert table.columns == ["at_s", "device", "power_w", "utilisation"]
        assert table["power_w"].to_list() == [None, 1.0]

    def test_forgets(self):
        sampler = Sampler([Twice()], clock=iter(range(100)).__next__)
        for _ in range(6):
            sampler.look()
        sampler.forget(3)
        assert sampler.between(0, 100)["at_s"].to_list() == [4.0]


class TestFigures:
    AMOUNTS = SpanThroughput.of(seconds=20.0, input_tokens=20_000.0, output_tokens=10_000.0, requests=1, n_gpus=1)

    def samples(self, gpus: int, power: float = 400.0):
        rows = [
            (float(t), f"gpu{g}", {"power_w": power, "utilisation": 0.9, "throttle": "power cap" if t % 2 else ""})
            for t in range(30)
            for g in range(gpus)
        ]
        return as_table(rows)

    def test_joules_per_token_beside_the_catalog(self, catalog):
        found = figures(self.samples(2), (5.0, 25.0), 1.0, self.AMOUNTS, 2, catalog.accelerators["H200"])
        assert found["energy"]["joules"] == pytest.approx(2 * 400 * 20)
        assert found["energy"]["j_per_output_token"] == pytest.approx(1.6)
        assert found["energy"]["j_per_token"] == pytest.approx(16_000 / 30_000)
        assert found["energy"]["mean_power_w_per_gpu"] == pytest.approx(400)
        assert found["catalog"]["j_per_output_token"] == pytest.approx(2 * 700 * 20 / 10_000)
        gpu = found["devices"]["gpu0"]
        assert gpu["throttled"] == pytest.approx(11 / 21) and gpu["throttles"] == ["power cap"]

    def test_gpus_that_do_not_serve_do_not_count(self, catalog):
        found = figures(self.samples(8), (5.0, 25.0), 1.0, self.AMOUNTS, 1, None)
        assert found["energy"]["joules"] == pytest.approx(400 * 20)

    def test_no_power_no_energy(self):
        rows = as_table([(float(t), "host", {"utilisation": 0.5}) for t in range(30)])
        found = figures(rows, (5.0, 25.0), 1.0, self.AMOUNTS, 0, None)
        assert "energy" not in found and "catalog" not in found
        assert found["devices"]["host"]["utilisation"]["mean"] == 0.5

    def test_one_of_two_gpus_silent(self):
        assert "energy" not in figures(self.samples(1), (5.0, 25.0), 1.0, self.AMOUNTS, 2, None)

    def test_a_gap_is_said(self):
        rows = self.samples(1).filter((pl.col("at_s") < 8) | (pl.col("at_s") > 20))
        assert "a gap of" in figures(rows, (5.0, 25.0), 1.0, self.AMOUNTS, 1, None)["energy"]["problem"]


def test_snapshot_without_secrets():
    env = {"VLLM_API_KEY": "hunter2", "VLLM_USE_V1": "1", "NCCL_DEBUG": "INFO", "HOME": "/root"}
    found = snapshot(open_sources(), env=env)
    assert found["environment"] == {"NCCL_DEBUG": "INFO", "VLLM_USE_V1": "1"}
    assert "hunter2" not in json.dumps(found, default=str)
    assert found["devices"]["host"]["cpus"] == os.cpu_count()
