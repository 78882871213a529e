"""The engine that `paretoken bench` brings along: llama.cpp's server with a small random model, as a child process."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Self

from paretoken.engines.embedded import llamacpp_server
from paretoken.engines.embedded.random_llama import CONTEXT
from paretoken.engines.embedded.tiny_model import TinyModel, cached_model
from paretoken.engines.ports import port_taken
from paretoken.engines.probe import completes
from paretoken.engines.process import ServerProcess
from paretoken.errors import BadConfig

WHEEL = "xllamacpp"
READY_WITHIN_S = 60.0
CONTEXT_STEP = 256
_MOST_THREADS = 4


class EmbeddedEngine:
    """A running llama.cpp server, a context manager. Inside it, `base_url` and the other figures are known.

    `slots` requests are computed at once and further ones wait in the server; `context` is the most tokens, input and
    output together, of one request (rounded up to a multiple of 256). With `prompt_cache`, each slot keeps the cache of
    its last prompt and answer, and a prompt that begins like them goes on from there. `ready_s` is the time from start
    to the first answer. Its log is in `folder`; without one it is kept only if the server failed.
    """

    name = "llamacpp"

    def __init__(
        self,
        model: TinyModel | None = None,
        *,
        slots: int = 32,
        context: int = 1024,
        threads: int | None = None,
        prompt_cache: bool = False,
        port: int = 0,
        folder: Path | None = None,
    ) -> None:
        """`model` defaults to the cached default one, `threads` to default_threads(), `port` to any free one."""
        self._threads = default_threads() if threads is None else threads
        self._check(slots, context, self._threads, port)
        self._model, self._slots, self._port = model, slots, port
        self._prompt_cache = prompt_cache
        self._context = -(-context // CONTEXT_STEP) * CONTEXT_STEP
        self._given_folder = folder
        self.base_url = self.model = self.version = ""
        self.tokenizer = self.log = Path()
        self.ready_s = 0.0
        self._process: ServerProcess | None = None

    @staticmethod
    def _check(slots: int, context: int, threads: int, port: int) -> None:
        for what, value, most in (("slots", slots, 256), ("context", context, CONTEXT), ("threads", threads, 1024)):
            if not 1 <= value <= most:
                raise BadConfig(f"{what} {value} of the embedded engine is out of range; give 1 to {most}")
        if port and port_taken(port):
            raise BadConfig(f"port {port} of the embedded engine is in use or not allowed; give another, or 0 for any")

    @property
    def threads(self) -> int:
        """CPU threads that compute."""
        return self._threads

    @property
    def slots(self) -> int:
        """Requests computed at once."""
        return self._slots

    @property
    def context(self) -> int:
        """Most tokens of one request, input and output together."""
        return self._context

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._running().pid

    def check(self) -> None:
        """EngineFailed, with the last lines of its log, if the server has ended."""
        self._running().check()

    def __enter__(self) -> Self:
        self.version = engine_version()
        model = self._model or cached_model()
        self.model, self.tokenizer = model.name, model.tokenizer
        folder = self._given_folder or Path(tempfile.mkdtemp(prefix="paretoken-engine-"))
        self.log = folder / "engine.log"
        announce = folder / "engine.url"
        announce.unlink(missing_ok=True)
        self._process = ServerProcess("llama.cpp", self._command(model, announce), self.log)
        try:
            self._process.start()
            self.ready_s = self._process.wait_ready(lambda: self._answers(announce), READY_WITHIN_S)
        except BaseException:
            self._stop(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop(self._running())

    def _stop(self, process: ServerProcess) -> None:
        """Stop the server; its log goes too, unless it was asked for or may tell why the server had ended."""
        ended = not process.running
        process.stop()
        if not ended and self._given_folder is None:
            shutil.rmtree(self.log.parent, ignore_errors=True)

    def _command(self, model: TinyModel, announce: Path) -> list[str]:
        options = {
            "model": str(model.gguf),
            "name": model.name,
            "announce": str(announce),
            "port": self._port,
            "slots": self._slots,
            "context": self._context,
            "threads": self._threads,
            "prompt_cache": self._prompt_cache,
        }
        # -P: this folder, in which our modules lie, is not searched for what the program imports.
        return [sys.executable, "-P", llamacpp_server.__file__, json.dumps(options)]

    def _answers(self, announce: Path) -> bool:
        if not announce.exists():
            return False
        self.base_url = announce.read_text(encoding="utf-8") + "/v1"
        return completes(self.base_url, self.model)

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise BadConfig("the embedded engine is not running; use it as a context manager")
        return self._process


def engine_version() -> str:
    """Version of the wheel that carries llama.cpp; BadConfig, with what to do, where there is none."""
    if importlib.util.find_spec(WHEEL) is None:
        raise BadConfig(
            f"the embedded engine needs {WHEEL}, which is not installed; "
            "pip install 'paretoken[engine]', or give the URL of a running server"
        )
    return f"{WHEEL} {importlib.metadata.version(WHEEL)}"


def default_threads() -> int:
    """Half the CPUs this process may use, 1 to 4: the rest is the client's, and small models gain no more."""
    return max(1, min(_MOST_THREADS, int(usable_cpus() / 2)))


def usable_cpus(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> float:
    """CPUs this process may use, by its affinity and by the quota of its container (Linux, cgroup v2)."""
    cpus = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        limit, period = quota.read_text(encoding="ascii").split()
        return min(cpus, int(limit) / int(period))
    except (OSError, ValueError):  # no such file; or "max", which is no limit
        return cpus
