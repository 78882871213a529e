"""A run verified: its files are those that its receipts name, and its figures follow from its request records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import polars as pl

from paretoken.bench.config import BenchConfig
from paretoken.bench.metadata import RunMetadata
from paretoken.bench.run_folder import REQUESTS, RUN, SUMMARY, LevelOnDisk, RunFolder
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.sessions.table import read_traced
from paretoken.errors import BadFile
from paretoken.foreign_text import one_line
from paretoken.receipts.differences import NOTHING, FigureDifference, recomputed_values
from paretoken.receipts.hashes import HashCheck, check_hashes, level_receipt
from paretoken.receipts.recompute import RecordedSettings, recomputed
from paretoken.receipts.run_figures import answer_as_recorded, check_run_files
from paretoken.receipts.sealed_files import level_names
from paretoken.version import __version__

Verdict = Literal["verified", "recomputed", "differs"]
"""`recomputed` where the figures follow from the records, but not every file has a hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerification:
    """The result for one run. `summaries` are those that the records give, in the order of the levels.

    `figures` are numbers that were recomputed, `copies` values of the run's summary that repeat those of its levels.
    `taken` says what had to be taken as recorded and `unread` what could not be recomputed at all.
    """

    run: str
    hashes: HashCheck
    figures: int
    copies: int
    differences: tuple[FigureDifference, ...]
    taken: tuple[str, ...]
    unread: tuple[str, ...]
    recorded_by: tuple[str, ...]
    recomputed_by: str = __version__
    summaries: tuple[LevelSummary, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What the run is, by its hashes and its figures."""
        if self.differences or self.unread or self.hashes.faults:
            return "differs"
        return "verified" if self.hashes.whole else "recomputed"


def verify_run(run: Path, name: str | None = None) -> RunVerification:
    """Check the hashes of a run, then recompute its figures. BadFile for what is no run, or cannot be read.

    A file that a hash shows to be changed may be unreadable: the run then differs.
    """
    metadata = RunFolder(run).metadata()
    names = [n for n in level_names(run) if (run / "levels" / n / SUMMARY).is_file()]
    hashes = check_hashes(run, names)
    if not names and not hashes.faults:
        raise BadFile(f"{name or run} has no finished level; finish it, then verify it again")
    settings = _settings(run, metadata)
    comparison, answer, unread = NOTHING, None, list[str]()
    recorded, summaries = list[LevelSummary](), list[LevelSummary]()
    for level in names:
        try:
            before, after = _level(run, level, settings)
        except BadFile as e:
            if not hashes.concerns(level):
                raise
            unread.append(f"level {level}: {e}")
            continue
        recorded.append(before)
        summaries.append(after)
        comparison += recomputed_values(f"levels/{level}/{SUMMARY}", _figures(before), _figures(after))
    if not unread:
        try:
            comparison += check_run_files(run, recorded, summaries, settings.config)
            answer = answer_as_recorded(run, settings.config, summaries)
        except BadFile as e:
            if not hashes.faults:
                raise
            unread.append(str(e))
    return RunVerification(
        run=name or str(run),
        hashes=hashes,
        figures=comparison.figures,
        copies=comparison.copies,
        differences=comparison.differences,
        taken=tuple(_taken(run, recorded, answer, hashes)),
        unread=tuple(unread),
        recorded_by=tuple(dict.fromkeys(s.tool.version for s in recorded)),
        summaries=tuple(summaries),
    )


def _settings(run: Path, metadata: RunMetadata) -> RecordedSettings:
    config = BenchConfig.of_dict(metadata.config, run / RUN)
    return RecordedSettings(config=config, seed=config.seed or 0, traced=read_traced(run))


def _level(run: Path, name: str, settings: RecordedSettings) -> tuple[LevelSummary, LevelSummary]:
    """The summary of a level as recorded, and as its records give it."""
    folder = run / "levels" / name
    level = LevelOnDisk(folder, LevelSummary.read(folder / SUMMARY))
    receipt = level_receipt(run, name)
    if not (folder / REQUESTS).is_file():
        raise BadFile(f"{folder / REQUESTS} does not exist; without it no figure can be recomputed")
    try:
        return level.summary, recomputed(level, settings, receipt.inputs if receipt else None)
    except _IMPOSSIBLE as e:
        why = one_line(f"{type(e).__name__}: {e}")
        raise BadFile(f"{folder}: no figure can be computed from its records ({why}); was it edited by hand?") from e


_IMPOSSIBLE = (ArithmeticError, LookupError, ValueError, TypeError, pl.exceptions.PolarsError)
"""What records that no run writes may raise."""


def _figures(summary: LevelSummary) -> dict[str, object]:
    """Every figure of a level but for what is taken as recorded."""
    names = [field.name for field in fields(summary) if field.name not in _AS_RECORDED]
    figures = {name: getattr(summary, name) for name in names}
    return figures | {"server": {"gauges": summary.server.gauges}} if summary.server else figures


_AS_RECORDED = ("schema", "schema_version", "tool", "run", "columns", "stop", "fidelity", "fleet", "server")


def _taken(run: Path, recorded: Sequence[LevelSummary], answer: str | None, hashes: HashCheck) -> Iterator[str]:
    """What no record holds, so that the recorded value was used; `answer` is what that is of the run's answer."""
    yield "labels of the points (accelerator, engine, model, …), the planned load and its end: as the run states them"
    if any(s.fidelity for s in recorded):
        yield "the client's measurements of itself: its tallies are not kept"
    if any(s.server for s in recorded):
        yield "differences of the server's counters: only readings of gauges and of drafting are kept"
        yield "the share of prompt tokens that the workload repeats: as the receipts state it"
    if hashes.without:
        yield "whether the prefix cache hit more than the workload repeats, in levels without a receipt"
    if any(run.glob("levels/*/telemetry.json")):
        yield "power and energy in telemetry.json"
    if answer:
        yield answer
