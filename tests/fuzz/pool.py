"""A process that reads the damaged inputs, so that one that ends it, or never ends, is only one more fault."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.fuzz.reader import fault
from tests.fuzz.registry import READERS

HANGS_S = 60.0
"""Seconds without progress, of any kind, after which the process is ended."""
GUARD_BYTES = 3_000_000_000
"""Address space beyond the process's own, so that the machine outlives a fault."""
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
        try:
            if self._ours.poll(HANGS_S):
                answer: str | None = self._ours.recv()
                return answer
            why = f"hangs for {HANGS_S:g} s"
        except (EOFError, ConnectionResetError):
            self._process.join()
            why = f"ends the process with {self._process.exitcode}"
        self.close()
        return why

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()


def _work(connection: Connection) -> None:
    # a warning would be a line on the terminal beside the one sentence
    warnings.simplefilter("error", RuntimeWarning)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + GUARD_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with tempfile.TemporaryDirectory(prefix="paretoken-fuzz-") as place:
        while True:
            name, inputs = connection.recv()
            for n, which in enumerate(inputs):
                connection.send(fault(READERS[name], *the_input(name, which), Path(place) / str(n)))
