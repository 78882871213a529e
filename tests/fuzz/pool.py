"""A process that reads the damaged inputs, so that one that ends it, or never ends, is only one more fault."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.fuzz.reader import fault
from tests.fuzz.registry import READERS

HANGS_S = 60.0
"""Seconds of one input, busy or idle, after which the process is ended."""
GUARD_BYTES = 2_500_000_000
"""Resident memory at which it is ended, so that the machine outlives a fault."""
KEPT = Path(__file__).parent / "seeds"
"""Inputs that once failed: SEEDS/READER/NAME--PATH, with `+` for `/` in the path."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Input `number` of a reader, or the kept input of a name, and what went wrong."""

    reader: str
    input: int | str
    path: str
    content: bytes
    why: str

    def __str__(self) -> str:
        return f"{self.reader} {self.input} ({self.path}): {self.why}"


def kept(reader: str) -> list[str]:
    """The names of the kept inputs of a reader."""
    return sorted(p.name for p in (KEPT / reader).glob("*--*"))


def the_input(reader: str, which: int | str) -> tuple[str, bytes]:
    """The file that an input damages, and its content."""
    if isinstance(which, int):
        return READERS[reader].damage(which)
    return which.split("--", 1)[1].replace("+", "/"), (KEPT / reader / which).read_bytes()


class FuzzPool:
    """One process, started anew when it is lost."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._ours: Connection | None = None

    def faults(self, reader: str, inputs: list[int | str]) -> list[Fault]:
        """The faults of these inputs."""
        faults: list[Fault] = []
        while inputs:
            if self._process is None:
                self._start()
            assert self._ours is not None
            self._ours.send((reader, inputs))
            for n, which in enumerate(inputs):
                why = self._answer()
                if why:
                    faults.append(Fault(reader, which, *the_input(reader, which), why))
                if self._process is None:
                    inputs = inputs[n + 1 :]
                    break
            else:
                return faults
        return faults

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._ours = None

    def _answer(self) -> str | None:
        assert self._ours is not None and self._process is not None
        start, why = time.monotonic(), ""
        while not why:
            try:
                if self._ours.poll(0.5):
                    answer: str | None = self._ours.recv()
                    return answer
            except (EOFError, ConnectionResetError):
                self._process.join()
                why = f"ends the process with {self._process.exitcode}"
            if time.monotonic() > start + HANGS_S:
                why = f"hangs for {HANGS_S:g} s"
            elif _resident_bytes(self._process.pid) > GUARD_BYTES:
                why = f"takes more than {GUARD_BYTES / 1e9:g} GB"
        self.close()
        return why

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()


def _resident_bytes(process: int | None) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _work(connection: Connection) -> None:
    warnings.simplefilter("error")  # one would be a line on the terminal beside the one sentence
    with tempfile.TemporaryDirectory(prefix="paretoken-fuzz-") as place:
        while True:
            name, inputs = connection.recv()
            for n, which in enumerate(inputs):
                connection.send(fault(READERS[name], *the_input(name, which), Path(place) / str(n)))
