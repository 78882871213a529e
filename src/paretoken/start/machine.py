"""The machine as the checks read it: every probe that a test may plant."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import resource
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from paretoken.bench.truth.selftest import SelfTest, selftest
from paretoken.engines.embedded.engine import usable_cpus
from paretoken.engines.telemetry.sampler import open_sources
from paretoken.engines.telemetry.source import TelemetrySource

Grade = Literal["ok", "note", "missing"]
"""`note` restricts some measurements, `missing` prevents some or makes them inaccurate."""
SHORT_STREAMS = (250, 1000)
SHORT_TOKENS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCheck:
    """One line about this machine. `value` is the figure of the text; `fix` says what to do."""

    group: str
    name: str
    grade: Grade
    text: str
    fix: str = ""
    value: float | str | None = None


def short_selftest() -> SelfTest:
    """The self-test of the client at two loads, under two seconds."""
    return selftest(SHORT_STREAMS, seconds=0.1, output_tokens=SHORT_TOKENS)


def installed(distribution: str) -> str | None:
    """The version of an installed distribution, None without it."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def has_module(name: str) -> bool:
    """Whether a module can be imported; it is not."""
    return importlib.util.find_spec(name) is not None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the checks ask: files of the system, programs, packages, the environment, and the self-test."""

    root: Path = Path("/")
    folder: Path = Path()
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    which: Callable[[str], str | None] = shutil.which
    version: Callable[[str], str | None] = installed
    module: Callable[[str], bool] = has_module
    sources: Callable[[], Sequence[TelemetrySource]] = open_sources
    test: Callable[[], SelfTest] = short_selftest
    cpus: Callable[[], float] = usable_cpus
    open_files: Callable[[], tuple[int, int]] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)
    load: Callable[[], tuple[float, float, float]] = os.getloadavg
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    writable: Callable[[Path], bool] = lambda folder: os.access(folder, os.W_OK)

    def text(self, path: str) -> str | None:
        """The content of a file of the system; None where it is not there."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()
