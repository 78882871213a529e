"""Real engines on this machine's CPUs, with a small random model: installed, started, ready, stopped."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).parent))
import venvs

from paretoken.engines.embedded.engine import EmbeddedEngine
from paretoken.engines.embedded.tiny_model import make_hf_folder
from paretoken.engines.probe import completes
from paretoken.engines.process import ServerProcess

READY_WITHIN_S = 300.0
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "PYTHONPATH": "",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is ready: its URL, the model's name there, its folder, and what `paretoken bench` needs to know."""

    engine: str
    base_url: str
    model: str
    folder: Path
    options: tuple[str, ...]
    ready_s: float


def model_folder() -> Path:
    """The small random model in Hugging Face form, made on first use."""
    folder = venvs.CACHE / "models" / "tiny"
    if not (folder / "model.safetensors").exists():
        make_hf_folder(folder, "tiny")
    return folder


@contextmanager
def serving(
    engine: str, cpu: int | None = None, *, more: tuple[str, ...] = (), slots: int = 32, context: int = 1024
) -> Iterator[Serving]:
    """The engine, running inside a `with` block, on CPU number `cpu` if given.

    `more` are further arguments for the command line of a server. With a `context` above 1,024 tokens, llama.cpp has a
    prompt cache in each of its `slots`.
    """
    if engine == "llamacpp":
        cached = context > 1024
        with _pinned(cpu), EmbeddedEngine(slots=slots, context=context, threads=1, prompt_cache=cached) as running:
            yield Serving(engine, running.base_url, running.model, running.tokenizer, (), running.ready_s)
        return
    folder, port = model_folder(), _free_port()
    model, options = ("tiny", ()) if engine == "vllm" else (str(folder), ("--dialect", "transformers"))
    words = [*_COMMANDS[engine](folder, port), *more]
    pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
    base_url = f"http://127.0.0.1:{port}/v1"
    with tempfile.TemporaryDirectory() as place:
        home = {"HF_HOME": place}
        (Path(place) / "hub").mkdir()
        with ServerProcess(engine, [*pin, *words], Path(place) / "log", env=QUIET | home) as process:
            ready_s = process.wait_ready(lambda: completes(base_url, model), READY_WITHIN_S)
            yield Serving(engine, base_url, model, folder, ("--tokenizer", str(folder), *options), ready_s)


def _vllm(folder: Path, port: int) -> list[str]:
    return [
        str(venvs.vllm_cpu() / "vllm"),
        "serve",
        str(folder),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--served-model-name",
        "tiny",
        "--dtype",
        "float32",
        "--max-model-len",
        "4096",
        "--enforce-eager",
        "--no-enable-prefix-caching",
    ]


def _transformers(folder: Path, port: int) -> list[str]:
    return [
        str(venvs.transformers_serve() / "transformers"),
        "serve",
        str(folder),
        "--device",
        "cpu",
        "--dtype",
        "float32",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--continuous-batching",
        "--cb-num-blocks",
        "128",
        "--cb-block-size",
        "32",
    ]


_COMMANDS = {"vllm": _vllm, "transformers": _transformers}
ENGINES = ("llamacpp", *_COMMANDS)


@contextmanager
def _pinned(cpu: int | None) -> Iterator[None]:
    """Children that are started inside run on this CPU."""
    before = os.sched_getaffinity(0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
