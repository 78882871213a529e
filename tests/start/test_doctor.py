"""The checks of a machine with planted probes: the grade, the figure and the remedy of each; and once for real."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paretoken.bench.client.fidelity import WorkerTally, judge
from paretoken.bench.truth.selftest import SelfTest, SelfTestLevel
from paretoken.errors import ParetokenError
from paretoken.start.client import client_checks
from paretoken.start.hardware import hardware_checks
from paretoken.start.machine import Machine, MachineCheck
from paretoken.start.software import software_checks

CLEAN = {"HOME": "/nowhere", "HF_HOME": "/nowhere/hf"}


def level(streams: int, error: float = 0.001, *, stamps: bool = True) -> SelfTestLevel:
    fidelity = judge([WorkerTally(reads=10, stamped_reads=10 * stamps, wall_s=1.0)], closed=True, steal=0.0)
    return SelfTestLevel(
        concurrency=streams,
        most_running=streams,
        requests=streams,
        failed=0,
        ttft_mean_s=0.05,
        ttft_true_s=0.05,
        ttft_error=error,
        ttft_p99_error=error,
        itl_error=0.0,
        itl_p50_error=0.0,
        itl_p99_error=0.0,
        tpot_error=0.0,
        cpu_s_per_mtok=1.0,
        rss_bytes=10**8,
        fidelity=fidelity,
    )


def measured(*levels: SelfTestLevel, compiled: bool = True) -> SelfTest:
    return SelfTest(levels, compiled, 8)


class Gpus:
    """A source of telemetry with two GPUs, or a host."""

    def __init__(self, name: str, about: dict[str, object]) -> None:
        self.name, self.facts, self.closed = name, about, False

    def read(self):
        return {self.name: {"memory_used_gb": 16.0}}

    def about(self):
        return self.facts

    def close(self) -> None:
        self.closed = True


HOST = {"cpu": "a CPU", "cpus": 8, "memory_gb": 64.0}
TWO = {"driver": "570.1", "gpus": {"gpu0": {"name": "H200"}, "gpu1": {"name": "H200"}}}


@pytest.fixture
def machine(tmp_path) -> Machine:
    """A machine on which all is well: no GPU, nothing installed."""
    files = {
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
        "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999",
        "proc/sys/net/core/somaxconn": "4096",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    return Machine(
        root=tmp_path,
        folder=tmp_path,
        environment=CLEAN,
        which=lambda name: None,
        version=lambda name: None,
        sources=lambda: [Gpus("host", HOST)],
        test=lambda: measured(level(250), level(1000)),
        cpus=lambda: 8.0,
        open_files=lambda: (1024, 65_536),
        load=lambda: (0.1, 0.1, 0.1),
        free_bytes=lambda folder: 500 * 10**9,
        writable=lambda folder: True,
    )


def failing() -> SelfTest:
    raise ParetokenError("the truth server did not start")


def only(checks, name: str) -> MachineCheck:
    return next(check for check in checks if check.name == name)


CLIENT = [
    ("streams", {}, "ok", 1000, "at least 1,000 streams"),
    ("streams", {"test": lambda: measured(level(250), level(1000, 0.2))}, "ok", 250, "up to 250 streams"),
    ("streams", {"test": lambda: measured(level(250, 0.2))}, "missing", 0, "not accurate to 1 % at 250 streams"),
    ("streams", {"test": lambda: measured(level(250), compiled=False)}, "ok", 250, "install a C compiler"),
    ("self-test", {"test": failing}, "missing", None, "did not start"),
    ("kernel time stamps", {}, "ok", "on", "SO_TIMESTAMPNS"),
    (
        "kernel time stamps",
        {"test": lambda: measured(level(9, stamps=False))},
        "missing",
        "off",
        "adds to every latency",
    ),
    ("clock source", {}, "ok", "tsc", "tsc"),
    ("cores", {}, "ok", 8.0, "8 usable"),
    ("cores", {"cpus": lambda: 1.5}, "note", 1.5, "1.5 usable"),
    ("cores", {"load": lambda: (7.0, 7.0, 7.0)}, "note", 8.0, "load average 7.0"),
    ("open files", {}, "ok", 65_536, "about 32,768 streams"),
    ("open files", {"open_files": lambda: (256, 1024)}, "missing", 1024, "1,024 per process"),
    ("open files", {"open_files": lambda: (1024, -1)}, "ok", None, "unlimited"),
    ("local ports", {}, "ok", 28_232, "28,232"),
    ("accept queue", {}, "ok", 4096, "4,096"),
    ("proxies", {"environment": {"HTTPS_PROXY": "http://u:pw@p"}}, "note", None, "HTTPS_PROXY set"),
]


@pytest.mark.parametrize(("name", "changes", "grade", "value", "words"), CLIENT)
def test_the_client(machine, name, changes, grade, value, words):
    check = only(client_checks(replace(machine, **changes)), name)
    assert (check.grade, check.value) == (grade, value)
    assert words in check.text and (grade == "ok" or check.fix)
    assert "pw" not in check.text + check.fix


@pytest.mark.parametrize(
    ("path", "text", "name", "grade"),
    [
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clock source", "note"),
        ("proc/sys/net/ipv4/ip_local_port_range", "60000 60999", "local ports", "note"),
        ("proc/sys/net/core/somaxconn", "128", "accept queue", "note"),
    ],
)
def test_settings_of_the_system(machine, path, text, name, grade):
    (machine.root / path).write_text(text)
    check = only(client_checks(machine), name)
    assert check.grade == grade and check.fix


def test_what_the_system_does_not_say_is_left_out(machine):
    names = {check.name for check in client_checks(replace(machine, root=Path("/nowhere/at/all")))}
    assert not names & {"clock source", "local ports", "accept queue", "proxies"}


def test_a_proxy_without_loopback_in_no_proxy_has_a_remedy(machine):
    proxy = {"http_proxy": "http://p"}
    assert "NO_PROXY" in only(client_checks(replace(machine, environment=proxy)), "proxies").fix
    both = proxy | {"no_proxy": "localhost,127.0.0.1"}
    assert not only(client_checks(replace(machine, environment=both)), "proxies").fix


def test_gpus_with_their_telemetry(machine):
    gpus = Gpus("nvml", TWO)
    check = only(hardware_checks(replace(machine, sources=lambda: [gpus, Gpus("host", HOST)])), "NVIDIA GPUs")
    assert (check.grade, check.value) == ("ok", 2) and "2 × H200; driver 570.1" in check.text


def test_sources_are_closed(machine):
    gpus = Gpus("amdsmi", TWO)
    list(hardware_checks(replace(machine, sources=lambda: [gpus])))
    assert gpus.closed


@pytest.mark.parametrize(
    ("sign", "name", "extra"), [("dev/kfd", "AMD GPUs", "[amd]"), ("dev/nvidiactl", "NVIDIA GPUs", "[nvidia]")]
)
def test_a_driver_without_the_library_that_reads_it(machine, sign, name, extra):
    (machine.root / sign).parent.mkdir(exist_ok=True)
    (machine.root / sign).write_text("")
    check = only(hardware_checks(machine), name)
    assert check.grade == "missing" and extra in check.fix


def test_no_gpu_is_a_note(machine):
    checks = list(hardware_checks(machine))
    assert only(checks, "GPUs").grade == "note"
    assert only(checks, "memory").text == "64 GB, 48 GB of them available"


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({}, "ok"),
        ({"free_bytes": lambda folder: 5 * 10**9}, "note"),
        ({"free_bytes": lambda folder: 10**8}, "missing"),
        ({"writable": lambda folder: False}, "missing"),
    ],
)
def test_the_disk(machine, changes, grade):
    check = only(hardware_checks(replace(machine, **changes)), "disk")
    assert check.grade == grade and bool(check.fix) == (grade != "ok")


VERSIONS = {"vllm": "0.32.0", "xllamacpp": "1.0", "tokenizers": "0.23", "ray": "2.60", "numpy": "2.4"}
PROGRAMS = {name: f"/usr/bin/{name}" for name in ("docker", "sbatch", "chromium")}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("paretoken", "numpy 2.4"),
        ("engines", "vllm 0.32.0"),
        ("embedded engine", "xllamacpp 1.0"),
        ("tokenizers", "tokenizers 0.23"),
        ("containers", "docker"),
        ("many machines", "Slurm, Ray 2.60"),
        ("browser", "/usr/bin/chromium"),
    ],
)
def test_software_that_is_there_and_that_is_not(machine, name, words):
    there = only(software_checks(replace(machine, version=VERSIONS.get, which=PROGRAMS.get)), name)
    assert there.grade == "ok" and words in there.text
    if name != "paretoken":
        missing = only(software_checks(machine), name)
        assert missing.grade == "note" and missing.fix and missing.value is None


def test_an_engine_on_the_path_without_a_package(machine):
    check = only(software_checks(replace(machine, which={"vllm": "/opt/vllm"}.get)), "engines")
    assert check.grade == "ok" and "/opt/vllm" in check.text


def test_keys_and_tokens_are_never_shown(machine):
    secrets = {"HF_TOKEN": "hf_abcdef123456", "PARETOKEN_API_KEY": "sk-abcdef123456"}
    checks = list(software_checks(replace(machine, environment=CLEAN | secrets)))
    assert (
        only(checks, "models").text.endswith("a token is set")
        and "PARETOKEN_API_KEY set" in only(checks, "API keys").text
    )
    assert "abcdef" not in str(checks)
    assert "no token" in only(software_checks(machine), "models").text


def plant(monkeypatch, machine: Machine) -> None:
    monkeypatch.setattr("paretoken.start.doctor.Machine", lambda: machine)


def test_the_verb_counts_what_is_missing(call, monkeypatch, machine):
    plant(monkeypatch, machine)
    assert call("doctor --strict")[0] == 0
    plant(monkeypatch, replace(machine, open_files=lambda: (256, 256)))
    code, out, _ = call("doctor --strict")
    assert code == 1 and "1 thing missing for measuring: open files" in out
    code, out, _ = call("doctor --json")
    assert code == 0 and json.loads(out)["missing"] == ["open files"]


def test_the_verb_shows_the_files_in_force_and_what_is_wrong_in_them(call, monkeypatch, machine, tmp_path):
    plant(monkeypatch, machine)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("PARETOKEN_BENCH_ISLL", "1")
    monkeypatch.setenv("PARETOKEN_API_KEY", "sk-abcdef123456")
    (tmp_path / "paretoken.toml").write_text('[tco]\nopertor = "x"\n[plan]\ntop = 3\n')
    code, out, err = call("doctor")
    assert (code, err) == (0, "")
    assert "paretoken.toml: [tco], [plan]" in out and "did you mean operator?" in out
    assert "PARETOKEN_BENCH_ISLL is read by nothing" in out and "did you mean PARETOKEN_BENCH_ISL?" in out
    assert "PARETOKEN_API_KEY" in out and "abcdef" not in out
    (tmp_path / "paretoken.toml").write_text('[bench]\nheader = ["X: $KEY"]\n')
    texts = " ".join(check["text"] for check in json.loads(call("doctor --json")[1])["checks"])
    assert "line 2, [bench] header may not stand in paretoken.toml" in texts
    assert f"put it into {tmp_path}/none/paretoken/config.toml or into a file that you name with --config" in texts
    (tmp_path / "paretoken.toml").write_text("[[[")
    assert call("doctor --strict")[0] == 1
    assert "no paretoken.toml here" not in call("doctor")[1] and "Start with" in call("doctor --no-config")[1]


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_the_terminal(call, monkeypatch, machine, width):
    plant(monkeypatch, machine)
    monkeypatch.setattr("paretoken.cli.output.WIDTH_OF_A_PIPE", width)
    _, out, _ = call("doctor")
    assert max(len(line) for line in out.splitlines()) <= width


@pytest.mark.slow
def test_this_machine(call):
    code, out, _ = call("doctor --json")
    answer = json.loads(out)
    names = {check["name"] for check in answer["checks"]}
    assert code == 0
    assert {"kernel time stamps", "cores", "open files", "memory", "disk", "engines", "configuration"} <= names
    assert names & {"streams", "self-test"}
    assert all(check["text"] and check["grade"] in ("ok", "note", "missing") for check in answer["checks"])
