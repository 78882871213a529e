"""The truth server as a child process: compiled on first use where there is a C compiler, else in Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from paretoken.bench.plan import Endpoint
from paretoken.errors import ParetokenError
from paretoken.user_folders import PRIVATE, is_private_file, private_folder, user_cache

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_HEAD = struct.Struct("<qI")
_CHUNK = np.dtype([("sent_ns", "<i8"), ("tokens", "<u4")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the server emits: first token after `ttft_ms`, then one every `itl_ms`.

    `tokens_per_chunk` tokens come in one event, when the last of them is due; with `tick` all streams
    emit on one common clock of period `itl_ms`; `jitter_ms` moves each gap by a uniform draw within ±.
    """

    ttft_ms: float = 50.0
    itl_ms: float = 20.0
    tokens_per_chunk: int = 1
    tick: bool = False
    jitter_ms: float = 0.0
    seed: int = 0

    def options(self) -> list[str]:
        return [
            "--ttft-ms",
            str(self.ttft_ms),
            "--itl-ms",
            str(self.itl_ms),
            "--tokens-per-chunk",
            str(self.tokens_per_chunk),
            "--tick",
            str(int(self.tick)),
            "--jitter-ms",
            str(self.jitter_ms),
            "--seed",
            str(self.seed),
        ]


@dataclass(frozen=True, slots=True)
class TruthServer:
    """A running server: where it listens, where its log is, and whether it is the compiled one."""

    port: int
    log: Path
    pid: int
    compiled: bool

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.base_url, "truth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the server did, answer by answer, in seconds: the oracle."""

    ttft_s: Floats  # request received → first chunk sent
    tpot_s: Floats  # (last − first chunk) / tokens after the first chunk; nan for a single chunk
    itl_s: Floats  # every gap between chunks, all answers
    tokens: Ints  # per answer
    received_ns: Ints  # wall clock
    sent_ns: Ints  # every chunk, all answers; wall clock


def compiler() -> str | None:
    """A C compiler of this machine, None where there is none."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


@contextmanager
def compiled_server() -> Iterator[Path | None]:
    """The compiled server, from the user's cache or else from a folder made for it and removed afterwards.

    None without a compiler or off Linux. Nothing is run that another user can have put there.
    """
    cc = compiler()
    if cc is None or sys.platform != "linux":
        yield None
        return
    source = resources.files("paretoken.bench.truth").joinpath("server.c").read_bytes()
    name = f"truth-{hashlib.sha256(source).hexdigest()[:12]}"
    with ExitStack() as stack:
        try:
            program = private_folder(user_cache()) / name
            ready = is_private_file(program) or _compile(cc, source, program)
        except OSError:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="paretoken-"))
            program = Path(folder) / name
            ready = _compile(cc, source, program)
        yield program if ready else None


def _compile(cc: str, source: bytes, program: Path) -> bool:
    """Whether the compiler made the program, which appears in its place whole."""
    with tempfile.TemporaryDirectory(dir=program.parent) as work:
        (code := Path(work) / "server.c").write_bytes(source)
        made = Path(work) / program.name
        command = [cc, "-O2", "-o", str(made), str(code), "-lm"]
        if subprocess.run(command, check=False, capture_output=True).returncode:  # noqa: S603
            return False
        made.chmod(PRIVATE)
        made.replace(program)
    return True


@contextmanager
def truth_server(
    pace: Pace | None = None, *, log: Path, cpu: int | None = None, compiled: bool | None = None
) -> Iterator[TruthServer]:
    """Run the server for the time of a `with` block, on one CPU if `cpu` is given; ended and reaped afterwards."""
    with compiled_server() if compiled is not False else nullcontext() as program:
        if program is None and compiled:
            raise ParetokenError("the compiled truth server needs Linux and a C compiler (cc): install gcc or clang")
        # -P: a folder that the user happens to be in is not searched for modules.
        start = [str(program)] if program else [sys.executable, "-P", "-m", "paretoken.bench.truth.fallback"]
        with _running([*start, *(pace or Pace()).options(), "--log", str(log)]) as (child, port):
            if cpu is not None:
                os.sched_setaffinity(child.pid, {cpu})
            yield TruthServer(port, log, child.pid, program is not None)


@contextmanager
def _running(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process of a server that prints its port, and that port."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    stdout = child.stdout
    if stdout is None:
        raise RuntimeError("the truth server has no pipe")
    try:
        port = stdout.readline().strip()
        if not port:
            raise ParetokenError("the truth server did not start; see its message above")
        yield child, int(port)
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        stdout.close()


def read_truth(log: Path, skip: int = 0) -> Truth:
    """The server's log, without its first `skip` answers."""
    answers = list(_answers(log.read_bytes()))[skip:]
    sent = [chunks["sent_ns"] for _, chunks in answers]
    return Truth(
        ttft_s=np.array([(times[0] - received) / 1e9 for times, (received, _) in zip(sent, answers, strict=True)]),
        tpot_s=np.array([_tpot_s(chunks) for _, chunks in answers]),
        itl_s=np.concatenate([np.diff(times) / 1e9 for times in sent]) if sent else np.empty(0),
        tokens=np.array([chunks["tokens"].sum() for _, chunks in answers], dtype=np.int64),
        received_ns=np.array([received for received, _ in answers], dtype=np.int64),
        sent_ns=np.concatenate(sent) if sent else np.empty(0, dtype=np.int64),
    )


def _answers(data: bytes) -> Iterator[tuple[int, npt.NDArray[np.void]]]:
    """When each request was received, and the chunks of its answer; an answer that is cut short ends the log."""
    at = 0
    while at + _HEAD.size <= len(data):
        received, count = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + count * _CHUNK.itemsize > len(data):
            return
        yield received, np.frombuffer(data, _CHUNK, count, at)
        at += count * _CHUNK.itemsize


def _tpot_s(chunks: npt.NDArray[np.void]) -> float:
    after_first = int(chunks["tokens"][1:].sum())
    times = chunks["sent_ns"]
    return float(times[-1] - times[0]) / 1e9 / after_first if after_first else float("nan")
