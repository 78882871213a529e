"""What `run.json` holds: the settings of a run, what it was started with, and the servers it met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from paretoken.bench.documents import OMIT_NONE, RunFile
from paretoken.emulated import EMULATED

Origin = Literal["measured", "emulated"]
"""Where the figures of a run come from."""


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
    """Enough to repeat a run and to judge it, and no secret. `config` is `BenchConfig.as_dict()` with the seed.

    `workload` is the name and hash of the sessions that are played; those of a workload of the catalog are drawn by
    this `generator_version`. `cache_block_tokens` are those of the blocks in which the possible cache hits of sessions
    are counted.
    """

    SCHEMA: ClassVar[str] = "paretoken.run"
    CALLED: ClassVar[str] = "the metadata of a run"

    config: Mapping[str, object] = field(default_factory=dict)
    run: RunOrigin = RunOrigin()
    origin: Origin = "measured"
    notes: tuple[str, ...] = ()
    workload: str | None = field(default=None, metadata=OMIT_NONE)
    generator_version: int | None = field(default=None, metadata=OMIT_NONE)
    cache_block_tokens: int | None = field(default=None, metadata=OMIT_NONE)

    @classmethod
    def upgraded(cls, document: Mapping[str, object]) -> Mapping[str, object]:
        """Earlier versions name the emulator by its dialect alone."""
        run = document.get("run")
        servers = run.get("servers", ()) if isinstance(run, Mapping) else ()
        if "origin" in document or not any(s.get("dialect") == EMULATED for s in servers):
            return document
        return {**document, "origin": EMULATED}
