"""Runs read from disk, each with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from paretoken.accuracy.gate import Gate, gate_of_run
from paretoken.accuracy.verdicts import FAIL
from paretoken.bench.run_folder import LEVELS, SUMMARY, LevelOnDisk, RunFolder
from paretoken.bench.stats import repeats
from paretoken.errors import BadFile, NoData


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run with at least one finished level. `unfinished` levels were begun and cut."""

    name: str
    about: Mapping[str, Any]
    levels: tuple[LevelOnDisk, ...]
    answer: Mapping[str, Any] | None = None
    unfinished: int = 0
    gate: Gate | None = None

    @property
    def run(self) -> Mapping[str, Any]:
        """How it was run: command, host, clock, servers."""
        return self.about.get("run") or {}

    @property
    def config(self) -> Mapping[str, Any]:
        return self.about.get("config") or {}

    @property
    def columns(self) -> Mapping[str, Any]:
        """What the run knew of its operating points."""
        return self.levels[0].summary.get("columns") or {}

    @property
    def names(self) -> list[str]:
        """The levels by their load; a repeat carries its number."""
        return repeats.names([level.summary for level in self.levels])


def read_run(path: Path, name: str | None = None) -> MeasuredRun:
    """The run in a folder. BadFile if there is none, NoData if no level is finished."""
    folder = RunFolder(path)
    about, levels = folder.about(), tuple(folder.levels())
    if not levels:
        raise NoData(f"{path} has no finished level yet; go on with paretoken bench --resume {path}")
    cut = [p for p in (path / LEVELS).iterdir() if p.name.isdigit() and int(p.name) > 0 and not (p / SUMMARY).is_file()]
    return MeasuredRun(name or path.resolve().name, about, levels, _answer(path), len(cut), gate_of_run(path))


def read_runs(paths: Sequence[Path]) -> tuple[MeasuredRun, ...]:
    """Several runs, named by their folders; where two folders share a name, by their paths."""
    names = [p.resolve().name for p in paths]
    twice = {n for n, count in Counter(names).items() if count > 1}
    return tuple(read_run(p, str(p) if n in twice else n) for p, n in zip(paths, names, strict=True))


def failed_gate(run: MeasuredRun) -> str | None:
    """What its accuracy gate found wrong, if it failed."""
    if run.gate is None or run.gate.verdict != FAIL:
        return None
    return "; ".join(f"{v.title}: {v.why}" for v in run.gate.tiers if v.verdict == FAIL)


def _answer(path: Path) -> Mapping[str, Any] | None:
    """What a search found, if the run was one and is over."""
    try:
        return orjson.loads((path / SUMMARY).read_bytes()).get("answer")
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as e:
        raise BadFile(f"{path / SUMMARY} cannot be read: {e}") from e
