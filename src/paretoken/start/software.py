"""What is installed: this package, engines, containers, schedulers, tokenizers, browser, models and keys."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.keys import OPENAI_KEY, OWN_KEY
from paretoken.catalog.engine_files import engine_files
from paretoken.catalog.hf.sources import hub_cache
from paretoken.engines.embedded.engine import WHEEL
from paretoken.start.machine import Grade, Machine, MachineCheck
from paretoken.version import __version__

GROUP = "Software"
LIBRARIES = ("click", "numpy", "orjson", "polars", "pydantic", "scipy")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def software_checks(machine: Machine) -> Iterator[MachineCheck]:
    libraries = ", ".join(f"{name} {v}" for name in LIBRARIES if (v := machine.version(name)))
    yield _check(
        "paretoken", "ok", f"{__version__}, Python {platform.python_version()}; {libraries}", value=__version__
    )
    yield _engines(machine)
    yield _extra(machine, "embedded engine", WHEEL, "engine", "measures a small model here: paretoken bench")
    yield _extra(machine, "tokenizers", "tokenizers", "tokenizer", "prompts of an exact token count: --tokenizer")
    yield _containers(machine)
    yield _schedulers(machine)
    yield _browser(machine)
    yield _models(machine)
    yield _keys(machine)


def _check(name: str, grade: Grade, text: str, fix: str = "", value: float | str | None = None) -> MachineCheck:
    return MachineCheck(group=GROUP, name=name, grade=grade, text=text, fix=fix, value=value)


def _engines(machine: Machine) -> MachineCheck:
    """By their packages, else by their programs on the PATH, which are not started: some take a minute."""
    here = {}
    for key, engine in engine_files().items():
        versions = [f"{name} {v}" for name in engine.packages if (v := machine.version(name))]
        program = engine.recipe.program[0] if engine.recipe else ""
        programs = [word for word in (program, *engine.aliases) if word and not word.startswith(("{", "python"))]
        if versions:
            here[key] = ", ".join(versions)
        elif path := next(filter(None, map(machine.which, programs)), None):
            here[key] = f"{engine.name} ({path})"
    if here:
        return _check("engines", "ok", "; ".join(dict.fromkeys(here.values())), value=", ".join(here))
    return _check(
        "engines",
        "note",
        "none in this environment; running servers can be measured",
        "install one where it runs, such as pip install vllm, or start its image: paretoken launch --container",
    )


def _extra(machine: Machine, name: str, package: str, extra: str, use: str) -> MachineCheck:
    if version := machine.version(package):
        return _check(name, "ok", f"{package} {version}; {use}", value=version)
    return _check(name, "note", f"not installed; {use}", f"pip install 'paretoken[{extra}]'")


def _containers(machine: Machine) -> MachineCheck:
    here = [program for program in ("docker", "podman", "apptainer", "enroot") if machine.which(program)]
    if "docker" in here:
        return _check("containers", "ok", ", ".join(here), value=", ".join(here))
    text = f"{', '.join(here)}, no docker command" if here else "no docker command"
    return _check("containers", "note", text, "install docker or podman-docker for paretoken launch --container")


def _schedulers(machine: Machine) -> MachineCheck:
    here = ["Slurm"] if machine.which("sbatch") else []
    here += [f"Ray {version}"] if (version := machine.version("ray")) else []
    if here:
        return _check("many machines", "ok", ", ".join(here), value=", ".join(here))
    text = "neither Slurm (campaign run --slurm) nor Ray (bench --ray)"
    return _check(
        "many machines", "note", text, "pip install 'paretoken[ray]', or use bench --nodes, which needs neither"
    )


def _browser(machine: Machine) -> MachineCheck:
    path = next(filter(None, map(machine.which, BROWSERS)), None)
    if path:
        return _check("browser", "ok", f"{path}: reports as PDF, browser tests", value=path)
    return _check(
        "browser", "note", "no Chromium: reports open in any browser elsewhere", "apt install chromium to print to PDF"
    )


def _models(machine: Machine) -> MachineCheck:
    """The cache of the hub and whether a token is there; never the token."""
    environment = machine.environment
    cache = hub_cache(environment).expanduser()
    models = len(list(cache.glob("models--*"))) if cache.is_dir() else 0
    home = Path(environment.get("HF_HOME") or cache.parent).expanduser()
    token = bool(environment.get("HF_TOKEN")) or (home / "token").is_file()
    offline = any(environment.get(n) in ("1", "true") for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    parts = [f"{models} in {cache}", "a token is set" if token else "no token"] + (["offline"] if offline else [])
    return _check("models", "ok", ", ".join(parts), "" if token else "set HF_TOKEN for gated models", models)


def _keys(machine: Machine) -> MachineCheck:
    names = [name for name in (OWN_KEY, OPENAI_KEY) if machine.environment.get(name, "").strip()]
    text = f"{' and '.join(names)} set" if names else f"neither {OWN_KEY} nor {OPENAI_KEY} is set"
    return _check("API keys", "ok", text, "" if names else f"set {OWN_KEY} for servers that need a key")
