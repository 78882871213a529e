"""What `run.json` holds: the settings of a run, what it was started with, and the servers it met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from paretoken.bench.documents import RunFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """A server as a run found it; a run is only resumed on the same."""

    base_url: str = "?"
    dialect: str | None = None
    version: str | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrigin:
    """How a run was started: command, time, host, clock, version of this program, servers."""

    command: str = ""
    started: str = ""
    host: Mapping[str, str] = field(default_factory=dict)
    clock: str = ""
    tool: str = ""
    servers: tuple[ServerIdentity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetadata(RunFile):
    """Enough to repeat a run and to judge it, and no secret. `config` is `BenchConfig.as_dict()` with the seed."""

    SCHEMA: ClassVar[str] = "paretoken.run"
    CALLED: ClassVar[str] = "the metadata of a run"

    config: Mapping[str, object] = field(default_factory=dict)
    run: RunOrigin = RunOrigin()
    notes: tuple[str, ...] = ()
