"""A run on disk: its settings, and each finished load level complete.

    RUN/run.json                 settings, seed, servers, host (`RunMetadata`)
    RUN/levels/0001/             one folder for each load level, in the order measured
        requests.parquet         its request records
        summary.json             its `LevelSummary`, written last: a level with one is finished
        receipt.json             hashes of these files (`receipt`)
        requests-0.journal       while it runs: each request as it ends
    RUN/sessions.parquet         the sessions of its trace, where it has some: a row for each step
    RUN/points.parquet           one operating point for each load; the means where it was repeated
    RUN/summary.json             the summaries of the finished levels and the answer of the run (`SweepSummary`)
    RUN/receipt.json             hashes of these files and of the receipts of the levels
    RUN/live.json                while it measures: how far it is (see `live_file`)
    RUN/.lock                    held by the process that measures into the run

Files are written beside their place and moved in, so that a reader never sees half of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paretoken.bench.client.journal import SUFFIX, merge_journals
from paretoken.bench.config import BenchConfig
from paretoken.bench.documents import json_bytes, write_bytes
from paretoken.bench.documents import write_json as write_json
from paretoken.bench.lock import locked
from paretoken.bench.metadata import RunMetadata
from paretoken.bench.receipt import FigureInputs, write_level_receipt, write_run_receipt
from paretoken.bench.stats.level_summary import LevelSummary, PointRow
from paretoken.bench.workload.sessions.table import sessions_table
from paretoken.errors import BadConfig, BadFile, CannotWrite
from paretoken.foreign_text import one_line
from paretoken.plain_files import as_type, read_json, read_parquet
from paretoken.sessions.columns import SESSIONS
from paretoken.sessions.graph import SessionTrace

if TYPE_CHECKING:
    import polars as pl

    from paretoken.bench.stats.sessions.table import TracedSession
    from paretoken.bench.stats.sweep_summary import SearchAnswer, SweepSummary

ROW_GROUP = 1024
"""Requests written at a time: a hundred tokens and more each, and the writer holds a group several times over."""
LEVELS, REQUESTS, SUMMARY, RUN, POINTS = "levels", "requests.parquet", "summary.json", "run.json", "points.parquet"
LOCK = ".lock"
LOCK_WITHIN_S = 2.0
"""The workers of a process that was killed hold its lock until they notice."""


@dataclass(frozen=True, slots=True)
class LevelOnDisk:
    """One finished level: its summary, and where its requests are."""

    folder: Path
    summary: LevelSummary

    def requests(self) -> pl.DataFrame:
        """Its request records."""
        from paretoken.points.requests import conform_requests

        return conform_requests(read_parquet(self.folder / REQUESTS, str(self.folder / REQUESTS))[0])

    def traced(self) -> tuple[TracedSession, ...]:
        """The sessions that its run plays, none for other requests."""
        from paretoken.bench.stats.sessions.table import read_traced

        return read_traced(self.folder.parent.parent)

    @property
    def point(self) -> PointRow:
        """Its row of the schema of operating points."""
        return self.summary.point


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    folder: Path

    def create(self, metadata: RunMetadata) -> None:
        """Begin a new run. CannotWrite if there is one already, or the folder cannot be written to."""
        if (self.folder / RUN).exists():
            raise CannotWrite(
                f"{self.folder} already holds a run; continue it with --resume {self.folder}, or choose another --out"
            )
        try:
            (self.folder / LEVELS).mkdir(parents=True, exist_ok=True)
            write_json(self.folder / RUN, metadata)
        except OSError as e:
            raise CannotWrite(f"{self.folder} cannot be written to: {e.strerror}; choose another --out") from e

    def metadata(self) -> RunMetadata:
        """The content of run.json; BadFile if this is not a run."""
        if not (self.folder / RUN).is_file():
            raise BadFile(f"{self.folder} holds no run (no {RUN}); choose a folder written by 'paretoken bench'")
        return RunMetadata.read(self.folder / RUN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Measure into the run alone; BadConfig while another process does."""
        with ExitStack() as stack:
            with self._writing(self.folder):
                acquired = stack.enter_context(locked(self.folder / LOCK, LOCK_WITHIN_S))
            if not acquired:
                raise BadConfig(
                    f"another process is measuring into {self.folder}; wait until it ends, or choose another --out"
                )
            yield

    def level_folder(self, number: int) -> Path:
        return self.folder / LEVELS / f"{number:04d}"

    def finished(self, number: int) -> LevelOnDisk | None:
        """The level of that number if it was finished."""
        place = self.level_folder(number)
        return _level(place) if (place / SUMMARY).is_file() else None

    def levels(self) -> list[LevelOnDisk]:
        """The finished levels in the order measured."""
        places = sorted(p for p in (self.folder / LEVELS).glob("[0-9]*") if (p / SUMMARY).is_file())
        return [_level(p) for p in places]

    def clear(self, number: int) -> Path:
        """An empty folder for a level that is about to be measured; what an earlier try left is moved aside."""
        place = self.level_folder(number)
        with self._writing(place):
            if place.exists():
                aside = next(p for i in range(1, 1000) if not (p := place.with_name(f"{place.name}.cut{i}")).exists())
                place.rename(aside)
            place.mkdir(parents=True)
        return place

    def keep_requests(self, number: int, requests: pl.DataFrame) -> None:
        """Write the requests of a level; its journals stay until it is finished."""
        place = self.level_folder(number)
        with self._writing(place):
            partial = place / f".{REQUESTS}"
            requests.write_parquet(partial, compression="zstd", row_group_size=ROW_GROUP)
            partial.replace(place / REQUESTS)

    def keep_sessions(self, trace: SessionTrace, config: BenchConfig, block_tokens: int) -> None:
        """Write the sessions of the run's trace, unless they are there already; hits in blocks of `block_tokens`."""
        if (self.folder / SESSIONS).exists():
            return
        with self._writing(self.folder):
            partial = self.folder / f".{SESSIONS}"
            sessions_table(
                trace.sessions,
                own_answers=config.answers == "server",
                block_tokens=block_tokens,
                idle_cap_s=config.idle_cap_s,
            ).write_parquet(partial)
            partial.replace(self.folder / SESSIONS)

    def keep(self, number: int, summary: LevelSummary, inputs: FigureInputs | None = None) -> LevelOnDisk:
        """Finish a level whose requests are kept: its receipt, its summary, then the tables of the run."""
        place = self.level_folder(number)
        with self._writing(place):
            content = json_bytes(summary)
            write_level_receipt(place, inputs, {SUMMARY: content})
            write_bytes(place / SUMMARY, content)
            for journal in (*place.glob(f"*{SUFFIX}"), *place.glob("*.worker.json")):
                journal.unlink()
        self.refresh()
        return LevelOnDisk(place, summary)

    @contextmanager
    def _writing(self, place: Path) -> Iterator[None]:
        try:
            yield
        except Exception as e:
            if not _cannot_write(e):
                raise
            why = getattr(e, "strerror", None) or one_line(str(e))
            raise CannotWrite(
                f"{why} at {place}; finished levels are kept; free some space and continue with --resume {self.folder}"
            ) from e

    def refresh(self, answer: SearchAnswer | None = None) -> None:
        """Write points.parquet, summary.json and the receipt anew from the finished levels; without an answer the last
        one stays."""
        with self._writing(self.folder):
            self._refresh(answer)

    def _refresh(self, answer: SearchAnswer | None) -> None:
        from paretoken.bench.stats.point import points_frame
        from paretoken.bench.stats.repeats import merged_points, repeated
        from paretoken.bench.stats.sweep_summary import SweepSummary
        from paretoken.points.files import write_points

        levels = self.levels()
        summaries = [level.summary for level in levels]
        partial = self.folder / f".{POINTS}"
        # A level of embeddings is no operating point, because it has no output.
        points = [point for point in merged_points(summaries) if point["osl"] is not None]
        write_points(points_frame(points), partial)
        partial.replace(self.folder / POINTS)
        sweep = SweepSummary(
            levels=tuple(summaries), repeats=tuple(repeated(summaries)), answer=answer or self.search_answer()
        )
        write_json(self.folder / SUMMARY, sweep)
        write_run_receipt(self.folder, self.metadata(), [level.folder.name for level in levels])

    def search_answer(self) -> SearchAnswer | None:
        """The answer of a search, if the run was one and is over."""
        from paretoken.bench.stats.sweep_summary import AnswerAlone

        path = self.folder / SUMMARY
        return as_type(AnswerAlone, read_json(path), path).get("answer") if path.is_file() else None

    def sweep(self) -> SweepSummary | None:
        """The content of the run's summary.json, None before its first level is finished."""
        from paretoken.bench.stats.sweep_summary import SweepSummary

        path = self.folder / SUMMARY
        return SweepSummary.read(path) if path.is_file() else None

    def unfinished(self) -> pl.DataFrame | None:
        """The requests that ended in levels that did not: from the journals of a run that was cut."""
        cut = [p for p in (self.folder / LEVELS).glob(f"*/*{SUFFIX}") if not (p.parent / SUMMARY).is_file()]
        return merge_journals(sorted(cut)) if cut else None


def _cannot_write(error: Exception) -> bool:
    """Whether the disk is at fault: polars has its own errors for a full one."""
    import polars as pl  # not before the load: it takes a while

    return isinstance(error, (OSError, CannotWrite, pl.exceptions.PolarsError))


def run_folders(place: Path) -> list[Path]:
    """The run that a folder is, or those of a campaign that it holds; BadFile where there is none."""
    if (place / RUN).is_file():
        return [place]
    inside = sorted(p.parent for p in place.glob(f"jobs/*/*/{RUN}"))
    if not inside:
        raise BadFile(f"{place} holds no run; choose a folder written by 'paretoken bench' or 'paretoken campaign'")
    return inside


def _level(place: Path) -> LevelOnDisk:
    return LevelOnDisk(place, LevelSummary.read(place / SUMMARY))
