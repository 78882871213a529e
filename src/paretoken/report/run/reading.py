"""Runs read from disk, each with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paretoken.accuracy.gate_file import Gate, gate_of_run
from paretoken.accuracy.verdicts import FAIL
from paretoken.bench.metadata import RunMetadata, RunOrigin
from paretoken.bench.run_folder import LEVELS, SUMMARY, LevelOnDisk, RunFolder
from paretoken.bench.stats import repeats
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.sweep_summary import SearchAnswer
from paretoken.emulated import EMULATED
from paretoken.errors import NoData


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """A run with at least one finished level. `unfinished` levels were begun and cut."""

    name: str
    metadata: RunMetadata
    levels: tuple[LevelOnDisk, ...]
    answer: SearchAnswer | None = None
    unfinished: int = 0
    gate: Gate | None = None

    @property
    def origin(self) -> RunOrigin:
        """How it was started: command, host, clock, servers."""
        return self.metadata.run

    @property
    def config(self) -> Mapping[str, object]:
        return self.metadata.config

    @property
    def columns(self) -> Mapping[str, object]:
        """The columns of its operating points that the run itself knew."""
        return self.levels[0].summary.columns

    @property
    def emulated(self) -> bool:
        """Whether its server was an emulated one."""
        return self.levels[0].summary.origin == EMULATED

    @property
    def summaries(self) -> list[LevelSummary]:
        return [level.summary for level in self.levels]

    @property
    def names(self) -> list[str]:
        """The levels by their load; a repeat carries its number."""
        return repeats.names(self.summaries)


def read_run(path: Path, name: str | None = None) -> MeasuredRun:
    """The run in a folder. BadFile if there is none, NoData if no level is finished."""
    folder = RunFolder(path)
    metadata, levels = folder.metadata(), tuple(folder.levels())
    if not levels:
        raise NoData(f"{path} has no finished level yet; continue it with paretoken bench --resume {path}")
    cut = [p for p in (path / LEVELS).iterdir() if p.name.isdigit() and int(p.name) > 0 and not (p / SUMMARY).is_file()]
    return MeasuredRun(
        name=name or path.resolve().name,
        metadata=metadata,
        levels=levels,
        answer=folder.search_answer(),
        unfinished=len(cut),
        gate=gate_of_run(path),
    )


def read_runs(paths: Sequence[Path]) -> tuple[MeasuredRun, ...]:
    """Several runs, named by their folders; where two folders share a name, by their paths."""
    names = [p.resolve().name for p in paths]
    twice = {n for n, count in Counter(names).items() if count > 1}
    return tuple(read_run(p, str(p) if n in twice else n) for p, n in zip(paths, names, strict=True))


def failed_gate(run: MeasuredRun) -> str | None:
    """Why its accuracy gate failed, if it did."""
    if run.gate is None or run.gate.verdict != FAIL:
        return None
    return "; ".join(f"{v.title}: {v.why}" for v in run.gate.tiers if v.verdict == FAIL)
